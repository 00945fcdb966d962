"""The tool behind ``make mutants``: which faults it makes, and that they are really run."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.__main__ import dealt_out, what_is_wrong
from tests.mutants.sites import lua_mutants, mutants_of, python_mutants
from tests.mutants.swap import swap_python
from tests.mutants.targets import ROOT, TARGETS, excused

LUA = """
local LIMIT = 5
function far(a, b)
  -- a < b is a comment
  if a < b and a ~= 'x < y' then return math.min(a, b) - 1 end
end
"""


def bodies(text: str) -> set[str]:
    """Return what each mutant makes of the one statement of a function."""
    made = [ast.parse(mutant.write()).body[0] for mutant in python_mutants(text)]
    return {ast.unparse(one.body[0]) for one in made if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("statement", "made"),
    [
        ("return a < b", {"return a <= b", "return None"}),
        ("return a is None", {"return a is not None", "return None"}),
        ("return a + 1", {"return a - 1", "return a + 2", "return None"}),
        ("return a and b", {"return b", "return a", "return None"}),
        ("return not a", {"return a", "return None"}),
        ("return min(a, b)", {"return max(a, b)", "return None"}),
        ("return True", {"return False"}),
        ("a.add(b)", {"pass"}),
        ("a += b", {"a -= b"}),
        ("return 'words'", set()),
        ("raise ValueError(a + b)", set()),
    ],
)
def test_each_kind_of_fault_is_made_once(statement: str, made: set[str]) -> None:
    assert bodies(f"def f(a, b):\n    {statement}") == made


def test_condition_is_fixed_both_ways() -> None:
    assert bodies("def f(a):\n    if a:\n        g()") == {
        "if True:\n    g()",
        "if False:\n    g()",
        "if a:\n    pass",
    }


def test_lua_is_mutated_outside_strings_and_comments() -> None:
    changed = [mutant.write().split("\n")[4].strip() for mutant in lua_mutants(LUA)]

    assert changed == [
        "if a <= b and a ~= 'x < y' then return math.min(a, b) - 1 end",
        "if a < b and a == 'x < y' then return math.min(a, b) - 1 end",
        "if a < b and a ~= 'x < y' then return math.min(a, b) + 1 end",
        "if a < b and a ~= 'x < y' then return math.max(a, b) - 1 end",
        "if a < b or a ~= 'x < y' then return math.min(a, b) - 1 end",
    ]


def test_functions_and_methods_that_were_imported_run_the_mutant() -> None:
    text = """
from functools import cached_property, lru_cache
class Box:
    size = 1
    def more(self): return self.size + 1
    @property
    def less(self): return self.size - 1
    @staticmethod
    def fixed(): return 1
@lru_cache
def known(): return 1
"""
    module = ModuleType("boxes")
    module.__file__ = "boxes.py"
    exec(text, vars(module))  # noqa: S102 - our own words
    box, known = module.Box(), module.known
    before = (box.more(), box.less, box.fixed(), known())

    swap_python(module, text.replace("return 1", "return 7").replace("self.size", "self.size * 9"))

    assert before == (2, 0, 1, 1)
    assert (box.more(), box.less, box.fixed(), known()) == (10, 8, 7, 7)


def test_method_that_lost_its_super_runs_all_the_same() -> None:
    text = """
class Base:
    def __init__(self): self.size = 1
class Box(Base):
    def __init__(self):
        super().__init__()
        self.name = "box"
"""
    module = ModuleType("boxes")
    module.__file__ = "boxes.py"
    exec(text, vars(module))  # noqa: S102 - our own words

    swap_python(module, text.replace("super().__init__()", "pass"))

    assert vars(module.Box()) == {"name": "box"}


def test_faults_of_a_line_that_look_alike_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def f(a):\n    return a + 1 + 1\n")

    places = [mutant.place for mutant in mutants_of(tmp_path / "one.py")]

    assert len(set(places)) == len(places) == 5
    assert places[-1] == "f: 1 one more (no. 2)"


def test_files_are_dealt_out_once_each_and_evenly() -> None:
    shares = dealt_out(list(TARGETS), 2)
    sizes = [sum(len(mutants_of(ROOT / target)) for target in share) for share in shares]

    assert sorted(target for share in shares for target in share) == sorted(TARGETS)
    assert max(sizes) < 1.2 * min(sizes)


def test_survivor_needs_an_excuse_and_an_excuse_a_survivor() -> None:
    outcome = [
        {"target": "a.py", "place": f"f: {name}", "survived": survived}
        for name, survived in (("1", True), ("2", True), ("3", False), ("4", False))
    ]

    assert what_is_wrong(outcome, {"a.py:f: 2", "a.py:f: 4", "a.py:f: 5"}) == [
        "survived: a.py:f: 1",
        "excused, but killed: a.py:f: 4",
        "excused, but not made any more: a.py:f: 5",
    ]


def test_what_is_mutated_is_there_with_its_tests() -> None:
    named = [*TARGETS, *(test for tests in TARGETS.values() for test in tests)]

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_survivor_is_of_a_target_still_made_and_has_a_reason() -> None:
    known = excused()
    made = {
        f"{target}:{mutant.place}"
        for target in TARGETS
        for mutant in mutants_of(ROOT / target)
    }  # fmt: skip

    assert set(known) <= made
    assert all(known.values())
