"""The OpenAPI document as people read it: operations by subject, each with an example."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from api.described import document


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that may be said beside the body, or a field of it."""

    name: str
    place: str
    text: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and when it is given."""

    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    method: str
    path: str
    text: str
    parameters: tuple[Parameter, ...]
    answers: tuple[Answer, ...]
    curl: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A group of operations."""

    name: str
    text: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The whole page, its long part written out already."""

    subjects: tuple[Subject, ...]
    html: SafeString


@cache
def reference() -> Reference:
    """Return the page. It changes only with the code, so it is made once."""
    said = document()
    found = list(_operations(said))
    subjects = (
        Subject(
            tag["name"],
            tag["description"],
            tuple(one for name, one in found if name == tag["name"]),
        )
        for tag in said["tags"]
    )
    shown = tuple(subject for subject in subjects if subject.operations)
    return Reference(shown, render_to_string("api/operations.html", {"subjects": shown}))


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield (
                said["tags"][0],
                Operation(
                    name=said["operationId"],
                    method=method.upper(),
                    path=path,
                    text=said["description"],
                    parameters=tuple(_parameters(document, said)),
                    answers=tuple(_answers(document, said)),
                    curl=_curl(path, method.upper(), said),
                ),
            )


def _parameters(document: dict[str, Any], said: dict[str, Any]) -> Iterator[Parameter]:
    for one in said.get("parameters", []):
        is_required = one.get("required", False)
        yield Parameter(one["name"], one["in"], one.get("description", ""), is_required)
    shape = _resolved(document, _body(said).get("schema", {}))
    for name, field in shape.get("properties", {}).items():
        text = field.get("description") or str(field.get("type", ""))
        yield Parameter(name, "body", text, name in shape.get("required", ()))


def _answers(document: dict[str, Any], said: dict[str, Any]) -> Iterator[Answer]:
    for status, answer in sorted(said["responses"].items()):
        text = _resolved(document, answer).get("description", "")
        yield Answer(status, text or "Done")


def _curl(path: str, method: str, said: dict[str, Any]) -> str:
    query = []
    headers = ["Authorization: Bearer $XEROTIER_KEY"]
    for one in said.get("parameters", []):
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", one.get("example", one["name"]))
        elif one["in"] == "query" and "example" in one:
            query.append(f"{one['name']}={one['example']}")
        elif one["name"] == "If-Match" and one.get("required"):
            headers.append("If-Match: *")
    url = f"$XEROTIER_URL{path}" + (f"?{'&'.join(query)}" if query else "")
    lines = [f'curl -X {method} "{url}"']
    # Double quotes for what the shell shall fill in.
    lines += [f'-H "{header}"' for header in headers]
    example = _body(said).get("example")
    if example is not None:
        lines.append('-H "Content-Type: application/json"')
        lines.append(f"-d {shlex.quote(json.dumps(example))}")
    return " \\\n  ".join(lines)


def _body(said: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = said.get("requestBody", {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {})
    return found


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, if it is one."""
    if "$ref" not in value:
        return value
    found: Any = document
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: dict[str, Any] = found
    return resolved
