"""A file counts little where files stand; everything else in a body counts in full."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference.body.inline import INLINE_BYTES
from inference.body.prepare import prepare
from inference.body.splice import OTHER_FREE, read_request
from inference.body.streamed_splice import StreamedSplice
from inference.contracts.entries import Route, Terms

TERMS = Terms("pro", 1, None, None, 8, 60.0, 30.0, 0)
ROUTE = Route(1, "proj_a", "chat", "ep_a", "m", "generate", TERMS, ())
FILE = "QUJD" * 10_000
IMAGE = f"data:image/png;base64,{FILE}"
PROSE = "as_it_is_without_a_space." * 1_600


def part(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "x"}, fields]}]}


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [fields]}]}


FILES = [
    pytest.param(part(type="image_url", image_url={"url": IMAGE}), id="chat's picture"),
    pytest.param(part(type="image_url", image_url={"detail": "x", "url": IMAGE}), id="with more"),
    pytest.param(part(type="image_url", image_url=IMAGE), id="picture without an object"),
    pytest.param(part(type="input_audio", input_audio={"data": FILE, "format": "wav"}), id="sound"),
    pytest.param(part(type="file", file={"filename": "a", "file_data": FILE}), id="file"),
    pytest.param(item(type="input_image", image_url=IMAGE), id="picture of Responses"),
    pytest.param(
        item(type="input_file", file_data=f"data:application/pdf;base64,{FILE}"), id="pdf"
    ),
    pytest.param({"input": [{"type": "c", "output": {"image_url": IMAGE}}]}, id="screenshot"),
]
TEXT = [
    pytest.param(part(type="text", text=PROSE), id="prose without spaces"),
    pytest.param(part(type="text", text=FILE), id="base64 as text"),
    pytest.param(part(type="text", text=IMAGE), id="a data URL as text"),
    pytest.param({"messages": [{"role": "user", "content": PROSE}]}, id="a message"),
    pytest.param(part(type="image_url", image_url={"url": PROSE}), id="a URL that is none"),
    pytest.param({"messages": [{"role": "tool", "arguments": {"url": IMAGE}}]}, id="arguments"),
    pytest.param({"tools": [{"function": {"parameters": {"image_url": IMAGE}}}]}, id="tools"),
    pytest.param({"documents": [[[[{"url": IMAGE}]]]]}, id="documents"),
    pytest.param({"prompt": IMAGE}, id="a prompt"),
    pytest.param({"chat_template": PROSE}, id="a template"),
    pytest.param({"guided_json": {"enum": [PROSE]}}, id="what no API knows"),
    pytest.param(part(**{'say "url': {'"url': IMAGE}}), id="a name with a quote"),
]


def counts(body: bytes) -> list[int]:
    """Count a body's prompt at a glance, carefully and on its way, cut anywhere."""
    found = [prepare(body, "chat/completions", ROUTE).prompt_bytes, read_request(body).prompt_bytes]
    for step in (61, 4096, 30_000, len(body)):
        splice = StreamedSplice()
        for at in range(0, len(body), step):
            splice.feed(body[at : at + step])
        splice.finish()
        found.append(splice.prompt_bytes)
    return found


@pytest.mark.parametrize("fields", FILES)
def test_file_counts_little_where_files_stand(fields: dict[str, Any]) -> None:
    for indent in (None, 2):
        body = json.dumps({"model": "m", **fields}, indent=indent).encode()

        for count in counts(body):
            assert INLINE_BYTES <= count < INLINE_BYTES + 600


@pytest.mark.parametrize("fields", TEXT)
def test_everything_else_counts_in_full(fields: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", **fields}).encode()

    for count in counts(body):
        assert len(body) - OTHER_FREE <= count <= len(body)


def test_small_settings_beside_a_prompt_count_nothing() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"seed":7}'

    assert prepare(body, "chat/completions", ROUTE).prompt_bytes == len(
        b'[{"role":"user","content":"hi"}]'
    )
