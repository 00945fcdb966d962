"""Reads the public traces beside this file (``traces/README.md``): requests as they were."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from bench.routing.requests import BLOCK_TOKENS, Asked, Turn

HERE = Path(__file__).parent / "traces"
MOONCAKE_TICK_S = 3.0
"""Its timestamps tick so: unspread, each tick would be a burst that never was."""

AGENT_BLOCK_TOKENS = 64
SHARED_HEAD = 1 << 40
"""Names of blocks that sessions with the same tools share are above this one."""


def mooncake(name: str, dice: Random) -> list[Asked]:
    """Return ``conversation`` or ``synthetic``, each request somewhere within its tick."""
    found = [
        Asked(
            number,
            row["timestamp"] / 1000 + dice.random() * MOONCAKE_TICK_S,
            row["input_length"],
            max(1, row["output_length"]),
            tuple(row["hash_ids"][: row["input_length"] // BLOCK_TOKENS]),
        )
        for number, row in enumerate(_lines(f"mooncake_{name}.jsonl.gz"))
    ]
    return sorted(found, key=lambda one: (one.at, one.number))


def azure(name: str) -> list[Asked]:
    """Return ``conv`` or ``code``: no prompt is like another, as far as is known."""
    rows = list(_table(f"azure_2023_{name}.csv.gz"))
    times = [_moment(row["TIMESTAMP"]) for row in rows]
    return [
        Asked(
            number,
            at - times[0],
            max(1, int(row["ContextTokens"])),
            max(1, int(row["GeneratedTokens"])),
        )
        for number, (at, row) in enumerate(zip(times, rows, strict=True))
    ]


def arena() -> list[Asked]:
    """Return the requests of 27 clients, each client a project."""
    return [
        Asked(
            number,
            float(row["arrival_s"]),
            max(1, int(row["input_tokens"])),
            max(1, int(row["output_tokens"])),
            project=int(row["client"]),
        )
        for number, row in enumerate(_table("arena_27_clients.csv.gz"))
    ]


def agents(longest: int) -> Iterator[tuple[Turn, ...]]:
    """Yield the sessions of coding agents, cut where a prompt would be above ``longest`` tokens."""
    for number, row in enumerate(_lines("agentic_sessions.jsonl.gz")):
        turns = tuple(_turns(number, row, longest))
        if turns:
            yield turns


def agent_rows() -> Iterator[dict[str, Any]]:
    """Yield the sessions as they are written."""
    yield from _lines("agentic_sessions.jsonl.gz")


def tenants() -> list[dict[str, Any]]:
    """Return the clients of ServeGen's reasoning model: laws to draw requests from."""
    return list(_lines("servegen_reason_r1.jsonl.gz"))


def faster(requests: list[Asked], factor: float) -> list[Asked]:
    """Return the same requests, ``factor`` times as many in a second."""
    return [replace(one, at=one.at / factor) for one in requests]


def _turns(session: int, row: dict[str, Any], longest: int) -> Iterator[Turn]:
    ids: dict[str | None, list[int]] = {}
    head = (row["tool_tokens"] + row["system_tokens"]) // BLOCK_TOKENS
    shared = SHARED_HEAD + (row["tool_tokens"] * 1_000_003 + row["system_tokens"]) * 1024
    for request in row["requests"]:
        agent = request.get("agent")
        known = ids.get(agent, [])[: request["keep"]]
        for start, count in request["new"]:
            known.extend(range(start, start + count))
        ids[agent] = known
        if request["in"] > longest:
            return
        blocks = _coarse(session, known, request["in"])
        if agent is None:
            blocks = (*range(shared, shared + min(head, len(blocks))), *blocks[head:])
        yield Turn(request.get("think", 0.0), max(1, request["in"]), max(1, request["out"]), blocks)


def _coarse(session: int, ids: list[int], tokens: int) -> tuple[int, ...]:
    """Name blocks of 512 tokens by the last of their eight blocks of 64."""
    step = BLOCK_TOKENS // AGENT_BLOCK_TOKENS
    ends = ids[step - 1 : tokens // AGENT_BLOCK_TOKENS : step]
    return tuple([(session + 1 << 24) + one for one in ends])


def _moment(text: str) -> float:
    whole, _, part = text.partition(".")
    at = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return at.timestamp() + float(f"0.{part}")


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(HERE / name, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _table(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(HERE / name) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))
