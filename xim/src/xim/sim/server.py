"""The simulator as a server on loopback that speaks OpenAI's API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from xim.sim import faults, shapes, words
from xim.sim.batch import SPEEDS, Request, Speed
from xim.sim.clockwork import Clockwork
from xim.sim.faults import Chance, Fault
from xim.sim.quirks import QUIRKS, Quirks, error_of
from xim.sim.shapes import DONE, Told
from xim.web.server import Asked, Port, Reply

DRIP_S = 0.02
UNKEPT = 1 << 20
COMPLETIONS = ("/v1/chat/completions", "/v1/completions")


@dataclass(frozen=True, slots=True)
class Options:
    """What is simulated."""

    models: tuple[str, ...] = ("sim",)
    seed: int = 0
    speed: str = "fast"
    scale: float = 1.0
    context: int = 32_768
    quirks: str = "sim"
    faults: tuple[Chance, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """A completion to be simulated."""

    told: Told
    request: Request
    last: str
    end: str
    streams: bool
    with_usage: bool
    fault: Fault | None


class Simulator:
    """One machine with one simulated engine on it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.quirks: Quirks = QUIRKS[options.quirks]
        self._dice = Random(options.seed)  # noqa: S311 - no secret
        speed: Speed = SPEEDS[options.speed]
        if self.quirks.sequences is not None:
            speed = replace(speed, sequences=self.quirks.sequences)
        self.clockwork = Clockwork(speed, scale=options.scale, dice=self._dice)
        self._loaded = self.quirks.name != "ollama"
        self._count = 0

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen and simulate; return the port."""
        async with asyncio.TaskGroup() as group, Port(self.handle).open(host, port) as taken:
            running = group.create_task(self.clockwork.run())
            try:
                yield taken
            finally:
                running.cancel()

    async def handle(self, asked: Asked, reply: Reply) -> None:
        """Answer one request."""
        if asked.path in COMPLETIONS:
            await self._complete(asked, reply)
        elif asked.path == "/v1/embeddings":
            await self._embed(asked, reply)
        elif (said := self._page(asked.path)) is not None:
            await reply.json(200, said)
        elif asked.path == "/metrics" and self.quirks.gauges is not None:
            await reply.whole(200, self._metrics().encode(), "text/plain; version=0.0.4")
        else:
            await self._refuse(reply, 404, f"there is no {asked.path}", "not_found")

    def _page(self, path: str) -> Any:
        models, quirks = self.options.models, self.quirks
        if path == "/health":
            return {"status": "ok"}
        if path == "/v1/models":
            return shapes.model_list(models, self.options.context, quirks)
        if path in {"/version", "/server_info", "/api/version"}:
            return {"version": "sim"}
        if path == "/slots" and quirks.name == "llamacpp":
            return [
                {"n_ctx": self.options.context, "n_past": one.prompt + one.made}
                for one in self.clockwork.batch.running
            ] or [{"n_ctx": self.options.context, "n_past": 0}]
        if path in {"/api/tags", "/api/ps"} and quirks.name == "ollama":
            shown = models if path == "/api/tags" or self._loaded else ()
            return {"models": [{"name": name, "size": 100 << 20} for name in shown]}
        return None

    def _metrics(self) -> str:
        batch = self.clockwork.batch
        names = self.quirks.gauges or ()
        values = (len(batch.running), len(batch.waiting), batch.cache.use, batch.tokens)
        return "".join(
            f'{name}{{model_name="{self.options.models[0]}"}} {value}\n'
            for name, value in zip(names, values, strict=False)
            if name
        )

    async def _refuse(self, reply: Reply, status: int, message: str, code: str) -> None:
        await reply.json(status, error_of(self.quirks, status, message, code))

    async def _complete(self, asked: Asked, reply: Reply) -> None:
        body = _object(asked.body)
        if body is None:
            await self._refuse(reply, 400, "the body is no JSON object", "invalid_request")
            return
        model, named = faults.by_name(str(body.get("model", "")))
        known = {faults.by_name(one)[0] for one in self.options.models}
        if model not in known and not self.quirks.any_model:
            await self._refuse(reply, 404, f"there is no model {model}", "model_not_found")
            return
        batch = self.clockwork.batch
        if self.quirks.queue is not None and len(batch.waiting) >= self.quirks.queue:
            await self._refuse(reply, 503, "server busy, please try again", "overloaded")
            return
        fault = named or faults.drawn(self.options.faults, self._dice)
        work = self._work_of(body, asked.path.endswith("chat/completions"), fault)
        if work.request.prompt >= self.options.context:
            await self._too_long(work, reply)
        elif not await self._is_early_fault(work, reply):
            self._loaded = True
            await (self._stream(work, reply) if work.streams else self._plain(work, reply))

    def _work_of(self, body: dict[str, Any], is_chat: bool, fault: Fault | None) -> Work:
        prompt, last = words.prompt_of(body)
        tokens = words.tokens_in(prompt)
        natural = words.natural_length(self.options.seed, words.mark_of(last))
        said = body.get("max_completion_tokens") or body.get("max_tokens")
        most = max(1, min(said if type(said) is int else natural, self.options.context - tokens))
        output = most if body.get("ignore_eos") else min(natural, most)
        self._count += 1
        request = Request(words.blocks_of(prompt), tokens, output)
        told = Told(
            id=f"{'chatcmpl' if is_chat else 'cmpl'}-sim-{self._count}",
            model=str(body.get("model", "")),
            is_chat=is_chat,
            prompt=tokens,
            cached=0,
            quirks=self.quirks,
        )
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        end = "length" if output < natural else "stop"
        return Work(told, request, last, end, bool(body.get("stream")), with_usage, fault)

    async def _too_long(self, work: Work, reply: Reply) -> None:
        message = f"the prompt has {work.request.prompt} tokens, {self.options.context} fit"
        code = "context_length_exceeded"
        if work.streams and self.quirks.late_refusals:
            await reply.begin(200, "text/event-stream")
            await reply.piece(shapes.event(error_of(self.quirks, 400, message, code)) + DONE)
            await reply.end()
        else:
            await self._refuse(reply, 400, message, code)

    async def _is_early_fault(self, work: Work, reply: Reply) -> bool:
        """Meet a fault that lies before the first byte; say whether there was one."""
        if work.fault is Fault.REFUSE:
            reply.hang_up()
        elif work.fault is Fault.ERROR:
            await self._refuse(reply, 500, "the engine failed", "internal_error")
        elif work.fault is Fault.HANG:
            await asyncio.Event().wait()
        else:
            return False
        return True

    async def _texts(self, work: Work, *, computes_on: bool) -> AsyncIterator[str]:
        """Return the answer's tokens as they are made, those of one step together."""
        made = words.answer(work.last, work.request.output)
        given = 0
        async for count in self.clockwork.tokens(work.request, computes_on=computes_on):
            yield "".join(next(made) for _ in range(count - given))
            given = count

    async def _stream(self, work: Work, reply: Reply) -> None:
        length = UNKEPT if work.fault is Fault.WRONG_LENGTH else None
        await reply.begin(200, "text/event-stream", length)
        is_first = True
        async for text in self._texts(work, computes_on=False):
            piece = work.told.chunk(text, first=is_first)
            if work.fault is Fault.DRIP:
                await self._drip(piece, reply)
            else:
                await reply.piece(piece)
            if work.fault is Fault.BREAK and work.request.made * 2 >= work.request.output:
                reply.hang_up()
                return
            is_first = False
        await reply.piece(self._tail(work))
        if work.fault is Fault.WRONG_LENGTH:
            reply.hang_up()
        else:
            await reply.end()

    def _tail(self, work: Work) -> bytes:
        told = replace(work.told, cached=work.request.cached)
        last = told.chunk(None, end=work.end)
        if work.with_usage and self.quirks.usage_twice:
            said = json.loads(last.removeprefix(b"data: "))
            last = shapes.event(said | {"usage": told.usage(work.request.made, cached=False)})
        if self.quirks.timings:
            said = json.loads(last.removeprefix(b"data: "))
            last = shapes.event(said | told.timings(work.request.made))
        usage = told.last_chunk(work.request.made) if work.with_usage else b""
        return last + usage + DONE

    async def _drip(self, piece: bytes, reply: Reply) -> None:
        for byte in piece:
            await reply.piece(bytes([byte]))
            await asyncio.sleep(DRIP_S * self.options.scale)

    async def _plain(self, work: Work, reply: Reply) -> None:
        texts = self._texts(work, computes_on=self.quirks.computes_on)
        text = "".join([piece async for piece in texts])
        told = replace(work.told, cached=work.request.cached)
        content = json.dumps(told.whole(text, work.request.made, work.end)).encode()
        if work.fault in {Fault.BREAK, Fault.WRONG_LENGTH}:
            await reply.begin(200, "application/json", len(content) + 100)
            whole = work.fault is Fault.WRONG_LENGTH
            await reply.piece(content if whole else content[: len(content) // 2])
            reply.hang_up()
        elif work.fault is Fault.DRIP:
            await reply.begin(200, "application/json", len(content))
            await self._drip(content, reply)
            await reply.end()
        else:
            await reply.whole(200, content)

    async def _embed(self, asked: Asked, reply: Reply) -> None:
        body = _object(asked.body) or {}
        given = body.get("input", "")
        texts = [str(one) for one in given] if isinstance(given, list) else [str(given)]
        tokens = sum(words.tokens_in(text.encode(errors="replace")) for text in texts)
        vectors = [
            {
                "object": "embedding",
                "index": index,
                "embedding": shapes.vector_of(words.mark_of(text)),
            }
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        said = {"object": "list", "model": body.get("model"), "data": vectors, "usage": usage}
        await reply.json(200, said)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
