"""Put a mutant's functions in the place of the ones that were imported."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import redis

FREE = "<locals>"


def swap_python(module: ModuleType, text: str) -> None:
    """Give every function of a module the code that this text has for it."""
    code = compile(text, module.__file__ or "", "exec", dont_inherit=True)
    for name, body in _codes(code):
        function = _function(module, name)
        if function is not None:
            function.__code__ = _with_what_it_closes_over(body, function.__code__)
    for thing in vars(module).values():
        if hasattr(thing, "cache_clear"):
            thing.cache_clear()  # It remembers what the functions said before.


def _with_what_it_closes_over(body: CodeType, before: CodeType) -> CodeType:
    # A mutant may have dropped ``super()``; the function still closes over its class.
    return body if body.co_freevars else body.replace(co_freevars=before.co_freevars)


def swap_lua(path: Path, text: str, url: str) -> None:
    """Load a Lua library in place of what lies in a file, whoever reads it from now on."""
    theirs = Path.read_text

    def read_text(self: Path, *words: Any, **options: Any) -> str:
        return text if self.name == path.name else theirs(self, *words, **options)

    Path.read_text = read_text  # type: ignore[method-assign] # why: for this process only
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "") == "inference.admission.library":
            module.TEXT = text  # type: ignore[attr-defined] # why: a module's constant
    client = redis.Redis.from_url(url)
    client.function_load(text, replace=True)
    client.close()


def _codes(code: CodeType) -> list[tuple[str, CodeType]]:
    found = []
    for part in code.co_consts:
        if isinstance(part, CodeType):
            if FREE not in part.co_qualname:
                found.append((part.co_qualname, part))
            found += _codes(part)
    return found


def _function(module: ModuleType, name: str) -> FunctionType | None:
    found: Any = module
    for part in name.split("."):
        found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
    while found is not None and not isinstance(found, FunctionType):
        inner = [getattr(found, word, None) for word in ("__wrapped__", "__func__", "fget", "func")]
        found = next((one for one in inner if one is not None), None)
    while found is not None and hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    is_same = found is not None and found.__code__.co_qualname == name
    return found if is_same else None
