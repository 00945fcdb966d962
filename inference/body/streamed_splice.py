"""The streamed splice: a request body too large to hold, changed while it passes, sans-IO.

The bytes go up as they come. What is held back is at most the value of ``stream_options``,
because the splice goes inside it. The splice that asks for usage is made

- inside ``stream_options`` where it stands as an object (harmless if the request then turns
  out not to stream: a worker that minds would have minded the caller's object too),
- in place of a ``null`` there only if ``stream`` was already seen to be true,
- before the closing brace if there were no ``stream_options`` and the request streams.

No limit is clamped and no default added on this path.
"""

from __future__ import annotations

import json
from typing import Any

from inference.body.dialects import READ, VALUE_MAX, check_name, choices_in, limit_in, read_value
from inference.body.json_members import ASK_USAGE, Malformed, not_json, options_edit
from inference.body.json_stream import TopLevel

HELD_MAX = VALUE_MAX
"""Bytes of a value that is read here. A larger ``stream_options`` passes as it is."""

_WATCHED = READ | {"stream_options"}


class StreamedSplice(TopLevel):
    """Passes a body through and asks for usage on the way.

    ``values`` holds the top-level values that were seen and matter (``dialects.READ``). Where
    ``served_name`` is set, the model's name is replaced by it.
    ``added_usage`` says that the worker's usage chunk is there because of us. ``prompt_bytes``
    grows with the body; an admission hold grows with it. ``feed`` and ``finish`` raise
    ``Malformed``: what went up by then must be taken back by closing the connection.
    """

    def __init__(self, *, ask_usage: bool = True, operation: str | None = None) -> None:
        super().__init__()
        self.served_name = ""
        self._operation = operation
        self.values: dict[str, Any] = {}
        self.asked_usage = self.added_usage = False
        self._ask_usage = ask_usage
        self._held: bytearray | None = None
        self._held_from = 0
        self._withheld = False
        self._sent: list[bytes] = []
        self._sent_to = 0

    @property
    def streaming(self) -> bool:
        """Say whether the request streams, as far as has been seen."""
        return bool(self.values.get("stream"))

    @property
    def model(self) -> str:
        """Return the model that was named, empty if none was yet."""
        model = self.values.get("model")
        return model if isinstance(model, str) else ""

    @property
    def answers(self) -> int:
        """Return how many answers are asked for, as far as has been seen: choices × prompts."""
        return choices_in(self.values) * self.prompts

    @property
    def limit(self) -> int | None:
        """Return what any engine would take for the limit of an answer, as far as was seen."""
        return limit_in(self.values, self._operation)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body and return what to send now."""
        self._sent = []
        self._sent_to = self._held_from = 0
        self.follow(data)
        self._keep(data, len(data))
        if not self._withheld:
            self._send(data, len(data))
        return self._sent[0] if len(self._sent) == 1 else b"".join(self._sent)

    def finish(self) -> None:
        """Check that the body was whole. Raises ``Malformed``."""
        if not self.is_whole:
            raise not_json("it ends too early")
        if not self.model:
            raise Malformed("invalid_request", "'model' must be a non-empty string.", "model")

    # What the scanner tells.

    def value_starts(self, data: bytes, at: int) -> None:
        """Begin to keep a value that is read; withhold the one that may be changed."""
        check_name(self.name)
        if self.name not in _WATCHED:
            return
        self.values[self.name] = None
        self._held, self._held_from = bytearray(), at
        if self.name == "stream_options" or (self.name == "model" and self.served_name):
            self._send(data, at)
            self._withheld = True

    def value_ends(self, data: bytes, at: int) -> None:
        """Read a kept value; send the changed one."""
        self._keep(data, at)
        if self._held is None:
            return
        raw, self._held = bytes(self._held), None
        if self.name != "stream_options":
            self.values[self.name] = read_value(self.name, raw.rstrip(b" \t\n\r"))
        if self._withheld:
            self._withheld = False
            self._sent.append(self._changed(raw))
            self._sent_to = at

    def closes(self, data: bytes, at: int) -> None:
        """Ask for usage if nothing was said about it."""
        if self._ask_usage and self.streaming and "stream_options" not in self.values:
            self._send(data, at)
            self._sent.append(b',"stream_options":{%b}' % ASK_USAGE)
            self.added_usage = True

    def _keep(self, data: bytes, end: int) -> None:
        held = self._held
        if held is None:
            return
        held += data[self._held_from : end]
        self._held_from = end
        if len(held) <= HELD_MAX:
            return
        if self.name == "stream_options":
            self._held, self._withheld = None, False
            self._sent.append(bytes(held))
            self._sent_to = end
            return
        # White space behind a value is no part of it, and one is enough between two.
        held[:] = held.rstrip(b" \t\n\r") + b" "
        if len(held) > HELD_MAX:
            raise Malformed("invalid_request", f"'{self.name}' is too long.", self.name)

    def _changed(self, raw: bytes) -> bytes:
        if self.name == "model":
            return json.dumps(self.served_name, ensure_ascii=False).encode()
        value = raw.rstrip(b" \t\n\r")
        self.asked_usage, edit = options_edit(value)
        unsure = value == b"null" and not self.streaming
        if edit is None or unsure or not self._ask_usage:
            return raw
        self.added_usage = True
        start, end, text = edit
        return raw[:start] + text + raw[end:]

    def _send(self, data: bytes, end: int) -> None:
        if end > self._sent_to:
            self._sent.append(data[self._sent_to : end])
            self._sent_to = end
