"""Faults that are put into modules to try the tests: small, each of its own, never in what does not run."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]

CODE = '''
def score(x: int | None = 3, *, strict: bool = False) -> int | None:
    """Not 1 and not 2."""
    assert x is not None
    if x < 0 and not strict:
        raise ValueError("too small")
    found: int | None = max(x, -1, default=x + 1)
    return found if isinstance(x, int | str) else 0
'''

EXPECTED = {
    "3 -> 4",
    "False -> True",
    "if x < 0 and (not strict): -> if not (x < 0 and (not strict)):",
    "x < 0 and (not strict) -> x < 0 or not strict",
    "x < 0 -> x <= 0",
    "0 -> 1",
    "not strict -> strict",
    "max(x, -1, default=x + 1) -> max(x, -1)",
    "max(x, -1, default=x + 1) -> min(x, -1, default=x + 1)",
    "-1 -> 1",
    "1 -> 2",
    "x + 1 -> x - 1",
    "found if isinstance(x, int | str) else 0 -> 0 if isinstance(x, int | str) else found",
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutation", ROOT / "tools" / "mutation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutation"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_faults_are_of_what_runs_and_not_of_types_asserts_or_words(tool: ModuleType) -> None:
    assert {mutant.change for mutant in tool.mutants(ast.parse(CODE))} == EXPECTED


def test_each_fault_changes_the_code_in_one_place_and_leaves_it_code(tool: ModuleType) -> None:
    plain = ast.unparse(ast.parse(CODE))
    found = [ast.unparse(tool.mutated(ast.parse(CODE), mutant)) for mutant in tool.mutants(ast.parse(CODE))]
    for text in found:
        compile(text, "x", "exec")
        lines = zip(plain.splitlines(), text.splitlines(), strict=True)
        assert sum(one != other for one, other in lines) == 1
    assert len(set(found)) == len(found)


def test_a_sample_is_drawn_by_its_seed_and_from_every_module(tool: ModuleType) -> None:
    drawn = tool.sampled(list(tool.MODULES), 180, 0)
    assert drawn == tool.sampled(list(tool.MODULES), 180, 0)
    assert drawn != tool.sampled(list(tool.MODULES), 180, 1)
    assert 150 <= sum(map(len, drawn.values())) <= 200
    assert min(map(len, drawn.values())) >= 4


def test_a_fault_reaches_whoever_holds_the_function(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mimetic.evidence.slices"
    from mimetic.evidence import slices
    from mimetic.evidence.slices import too_few as held

    fresh = {one: getattr(slices, one) for one in ("FEWEST", "PIECES")}
    for constant, value in fresh.items():
        monkeypatch.setattr(slices, constant, value)  # so that they come back
    code = held.__code__, held.__defaults__, held.__kwdefaults__
    tree = ast.parse(Path(slices.__file__).read_text().replace("too few: {clips}", "far too few: {clips}"))
    inside = slices.np.ones(3, bool)
    try:
        tool.replace_code(name, tree)
        assert held(inside, inside, None) == "far too few: 3 clips"
    finally:
        held.__code__, held.__defaults__, held.__kwdefaults__ = code
    assert held(inside, inside, None) == "too few: 3 clips"
