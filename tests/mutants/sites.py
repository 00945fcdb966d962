"""Mutants: every small fault that can be put into a module's functions, one at a time.

The kinds are those of the literature (relational, arithmetic and logical operators, conditions,
constants, returned values, dropped statements; Jia and Harman, 2011). What can't be told from
outside, words of messages and notes for readers, is left alone.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

Change = Callable[[ast.AST], ast.AST]
"""Makes another node of a copy of a node."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
EXTREMES = {"min": "max", "max": "min"}
LUA = (
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![<>~=])<(?!=)", "<="),
    (r"(?<![<>~=])>(?!=)", ">="),
    (r"(?<![<>~=])==", "~="),
    (r"~=", "=="),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " + "),
    (r"math\.min", "math.max"),
    (r"math\.max", "math.min"),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"\bif not ", "if "),
)
_LUA_STRING = re.compile(r"'[^']*'|\"[^\"]*\"|--.*$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault. ``place`` names the function and what was done to it."""

    place: str
    line: int
    write: Callable[[], str]
    """Returns the module's text with the fault. On demand: it takes a while."""


def mutants_of(path: Path) -> list[Mutant]:
    """Return each fault of a file, by a name of its own."""
    found = (lua_mutants if path.suffix == ".lua" else python_mutants)(path.read_text("utf-8"))
    seen: Counter[str] = Counter()
    named = []
    for mutant in found:
        seen[mutant.place] += 1
        times = f" (no. {seen[mutant.place]})" if seen[mutant.place] > 1 else ""
        named.append(replace(mutant, place=mutant.place + times))
    return named


def python_mutants(text: str) -> Iterator[Mutant]:
    """Put each fault into the functions of a module, in order of their lines."""
    tree = ast.parse(text)
    for function, name in _functions(tree, ""):
        for node in _body_of(function):
            for said, change in _changes(node):
                write = partial(_mutated, tree, node, change)
                yield Mutant(f"{name}: {said}", getattr(node, "lineno", 0), write)


def lua_mutants(text: str) -> Iterator[Mutant]:
    """Put each fault into a Lua library, outside its strings and comments."""
    lines, name = text.split("\n"), ""
    for number, line in enumerate(lines):
        opened = re.match(r"(?:local )?function ([\w.:]+)", line)
        name = opened[1] if opened else name
        plain = _LUA_STRING.sub(lambda found: "\0" * len(found[0]), line)
        for pattern, other in LUA:
            for found in re.finditer(pattern, plain) if name else ():
                changed = line[: found.start()] + other + line[found.end() :]
                said = f"{name}: {line.strip()[:60]} → {other.strip()} at {found.start()}"
                write = partial("\n".join, [*lines[:number], changed, *lines[number + 1 :]])
                yield Mutant(said, number + 1, write)


def _functions(node: ast.AST, outer: str) -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name not in {"__repr__", "__str__"}:
                yield child, outer + child.name
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{outer}{child.name}.")


def _body_of(function: ast.AST) -> Iterator[ast.AST]:
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    for statement in function.body:
        yield from _told_apart(statement)


def _told_apart(node: ast.AST) -> Iterator[ast.AST]:
    # What is raised is words; types are nobody's behaviour.
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign | ast.Assert):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _told_apart(node.value)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _told_apart(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    yield from _changed_operators(node)
    yield from _changed_conditions(node)
    yield from _small_changes(node)


def _changed_operators(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            if type(operator) in COMPARED:
                yield ast.unparse(node)[:70] + " compared otherwise", _compared(number)
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in RECKONED:
        yield ast.unparse(node)[:70] + " reckoned otherwise", _reckoned


def _changed_conditions(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.BoolOp):
        for number in range(len(node.values)):
            yield ast.unparse(node)[:70] + f" without operand {number + 1}", _without(number)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.unparse(node)[:70] + " not denied", _operand
    elif isinstance(node, ast.If | ast.IfExp):
        for fixed in (True, False):
            yield f"if {ast.unparse(node.test)[:60]} always {fixed}", _fixed(fixed)


def _small_changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield f"{node.value!r} one more", _one_more
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value!r} turned", _turned
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in EXTREMES:
        yield ast.unparse(node)[:70] + " by the other extreme", _other_extreme
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.unparse(node)[:70] + " dropped", lambda _: ast.Pass()
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | None):
        yield ast.unparse(node)[:70] + " gives nothing", _nothing


def _compared(number: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        node.ops[number] = COMPARED[type(node.ops[number])]()
        return node

    return change


def _reckoned(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BinOp | ast.AugAssign)
    node.op = RECKONED[type(node.op)]()
    return node


def _operand(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _without(number: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.BoolOp)
        del node.values[number]
        return node if len(node.values) > 1 else node.values[0]

    return change


def _fixed(value: bool) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.If | ast.IfExp)
        node.test = ast.Constant(value)
        return node

    return change


def _one_more(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int | float)
    node.value = node.value + 1
    return node


def _turned(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    node.value = not node.value
    return node


def _other_extreme(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    node.func.id = EXTREMES[node.func.id]
    return node


def _nothing(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)
    return node


class _Exchanged(ast.NodeTransformer):
    """Puts what a change makes of one node in its place."""

    def __init__(self, twin: ast.AST, change: Change) -> None:
        self._twin = twin
        self._change = change

    def visit(self, node: ast.AST) -> ast.AST:
        return self._change(node) if node is self._twin else self.generic_visit(node)


def _mutated(tree: ast.Module, node: ast.AST, change: Change) -> str:
    memo: dict[int, ast.AST] = {}
    copied = copy.deepcopy(tree, memo)
    return ast.unparse(ast.fix_missing_locations(_Exchanged(memo[id(node)], change).visit(copied)))
