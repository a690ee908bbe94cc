"""Whether the tests would notice: small faults put into modules one at a time, in; which of them survive, out.

A seeded sample of all faults that could be put into the modules below is tried. The tests of a module are collected
once; then each fault has a forked process, where the functions of the module get the code of its changed syntax tree,
and the tests run, quickest first, until one fails. So no file is ever changed, and nothing is imported twice. (mutmut
and cosmic-ray were looked at: both write the faults to disk, and neither takes a seeded sample of so many a module.)
Needs fork: Linux or macOS.

    python tools/mutation.py                       # all modules, into results/
    python tools/mutation.py mimetic.scores        # one, to the terminal
"""

from __future__ import annotations

import ast
import copy
import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Annotated, Any, NamedTuple

import pytest
import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

MODULES = {
    "mimetic.scores": ("scores",),
    "mimetic.batches": ("batches", "encoders"),
    "mimetic.batches.buckets": ("batches", "encoders"),
    "mimetic.batches.ragged": ("batches", "encoders"),
    "mimetic.batches.ready": ("batches", "encoders"),
    "mimetic.store": ("store", "soundness"),
    "mimetic.store.files": ("store", "soundness"),
    "mimetic.store.shards": ("store", "soundness"),
    "mimetic.store.writing": ("store", "soundness"),
    "mimetic.evidence.agreement": ("agreement",),
    "mimetic.evidence.disturbances": ("stress",),
    "mimetic.evidence.intervals": ("intervals",),
    "mimetic.evidence.slices": ("slices",),
    "mimetic.evidence.stress": ("stress",),
}
"""Which tests answer for which module."""

PYTEST = ("-x", "-q", "-m", "not slow and not browser")
"""Up to the first that fails."""

SLOWER, GRACE = 5.0, 20.0
"""A fault is killed that makes the tests take so many times as long, and so many seconds more."""

EQUIVALENT = {
    "mimetic.scores:52: 1.0 -> 2.0": "where it stands, the result is not defined and thrown away",
    "mimetic.scores:78: 1.0 -> 2.0": "where it stands, the result is not defined and thrown away",
    "mimetic.scores:133: 1.0 -> 2.0": "its logarithm is taken times 0",
    "mimetic.batches.ragged:85: np.array([0 if v is None else len(v) for v in values], dtype=np.int64) -> "
    "np.array([0 if v is None else len(v) for v in values])": "whole numbers are int64 wherever this runs",
    "mimetic.evidence.agreement:229: 1.0 -> 2.0": "it divides 0",
    "mimetic.evidence.intervals:299: -1 -> 1": "the last of two axes is axis 1",
    "mimetic.evidence.intervals:274: np.asarray(chances, dtype=np.float64) -> np.asarray(chances)": "numbers stay",
}
"""Survivors, as ``MODULE:LINE: CHANGE``, that nobody could tell from the original, and why."""


class Mutant(NamedTuple):
    """A fault: the ``place``-th node of the tree, in the ``way``-th way; ``change`` says what becomes of what."""

    place: int
    way: int
    line: int
    change: str


NO_FAULT = Mutant(-1, 0, 0, "")

# --------------------------------------------------------------------------------------------- the faults

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
"""Operators, and what is put in their place."""

NAMES = {
    **{"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"},
    **{"sum": "mean", "mean": "sum", "zeros": "ones", "ones": "zeros", "left": "right", "floor": "ceil"},
}
"""Functions and methods, and what is called in their place."""


def faults(node: ast.AST) -> list[ast.AST]:
    """Give what may stand in a node's place, each a small fault."""
    match node:
        case ast.Compare(ops=[one]) if type(one) in SWAPPED:
            return [_with(node, ops=[SWAPPED[type(one)]()])]
        case ast.BinOp(right=ast.Constant(value=None)):
            return []  # a type that may be None
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in SWAPPED:
            return [_with(node, op=SWAPPED[type(op)]())]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Constant(value=bool() as value):
            return [_with(node, value=not value)]
        case ast.Constant(value=int() | float() as value):
            return [_with(node, value=value + 1)]
        case ast.IfExp(body=body, orelse=orelse):
            return [_with(node, body=orelse, orelse=body)]
        case ast.If(test=test):
            return [_with(node, test=ast.UnaryOp(ast.Not(), test))]
        case ast.Expr(value=ast.Call()):
            return [ast.Pass()]
        case ast.Call(func=func, keywords=keywords):
            dropped = [_with(node, keywords=keywords[:i] + keywords[i + 1 :]) for i in range(len(keywords))]
            return dropped + [_with(node, func=other) for other in _renamed(func)]
        case _:
            return []


def _renamed(func: ast.expr) -> list[ast.AST]:
    match func:
        case ast.Name(id=name) if name in NAMES:
            return [_with(func, id=NAMES[name])]
        case ast.Attribute(attr=name) if name in NAMES:
            return [_with(func, attr=NAMES[name])]
        case _:
            return []


def _with(node: ast.AST, **changes: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _nodes(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Give every node that runs, as (parent, field, place in it, node): no types, no asserts, no decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, ast.Assert):
                continue
            yield node, name, place if isinstance(value, list) else None, child
            if not (isinstance(child, ast.Call) and ast.unparse(child.func) == "isinstance"):
                yield from _nodes(child)


def mutants(tree: ast.Module) -> list[Mutant]:
    """List every fault that could be put into a module."""
    found = []
    for place, (_, _, _, node) in enumerate(_nodes(tree)):
        for way, other in enumerate(faults(node)):
            change = f"{_short(node)} -> {_short(other)}"
            found.append(Mutant(place, way, int(getattr(node, "lineno", 0)), change))
    return found


def _short(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def mutated(tree: ast.Module, mutant: Mutant) -> ast.Module:
    """Give the tree with the fault in it; the one given is spent."""
    for place, (parent, name, index, node) in enumerate(_nodes(tree)):
        if place == mutant.place:
            other = faults(node)[mutant.way]
            if index is None:
                setattr(parent, name, other)
            else:
                getattr(parent, name)[index] = other
            break
    return ast.fix_missing_locations(tree)


# -------------------------------------------------------------------------------------------- the running


def _path(module: str) -> Path:
    path = ROOT / "src" / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text("utf-8"))


def replace_code(name: str, tree: ast.Module) -> None:
    """Make an imported module behave as a tree: its functions, their defaults, its constants; whoever holds them."""
    module, changed = import_module(name), ModuleType(name)
    exec(compile(tree, str(_path(name)), "exec"), changed.__dict__)
    fresh = {_place(one): one for one in _functions(changed)}
    for old in _functions(module):
        new = fresh.get(_place(old))
        if new is not None and len(new.__code__.co_freevars) == len(old.__code__.co_freevars):
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=constant)], value=ast.expr() as told):
                _replace_constant(module, constant, told)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=several)):
                for one, told in zip(names, several, strict=True):
                    _replace_constant(module, ast.unparse(one), told)
            case ast.AnnAssign(target=ast.Name(id=constant), value=ast.expr() as told):
                _replace_constant(module, constant, told)


def _replace_constant(module: ModuleType, constant: str, told: ast.expr) -> None:
    """Compute a constant again, by the functions as they are now; tables are changed where they stand."""
    before = vars(module)[constant]
    if not isinstance(before, int | float | tuple | dict):
        return
    value = eval(compile(ast.Expression(told), module.__name__, "eval"), vars(module))
    if isinstance(before, dict):
        before.update(value)
    elif value != before:
        for holder in list(sys.modules.values()):
            if getattr(holder, "__dict__", {}).get(constant) is before:
                setattr(holder, constant, value)


def _functions(module: ModuleType) -> list[FunctionType]:
    """Find every function that a module's file wrote, within classes, wrappers and closures too."""
    known = (one for one in gc.get_objects() if type(one) is FunctionType)  # isinstance would ask proxies, who answer
    return [one for one in known if one.__globals__ is vars(module) and one.__code__.co_filename.endswith(".py")]


def _place(function: FunctionType) -> tuple[str, int]:
    return function.__code__.co_qualname, function.__code__.co_firstlineno


@dataclass(slots=True)
class Trial:
    """A pytest plugin: in the place of one run of the tests, one for each fault, each in a process of its own."""

    module: str
    sample: Sequence[Mutant]
    told: Callable[[str], object]
    survived: list[Mutant] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note how long each test takes, its fixtures included."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: Any) -> Iterator[None]:
        """Run the tests as they are, then with each fault; in a fault's own process, run them once."""
        start = time.monotonic()
        passed = yield
        if session.testsfailed:
            return passed
        limit = GRACE + SLOWER * (time.monotonic() - start)
        session.items.sort(key=lambda item: self.seconds[item.nodeid])
        if not self._passes(session, NO_FAULT, limit):
            raise SystemExit(f"the tests of {self.module} fail when they are run again without any fault")
        for mutant in self.sample:
            if self._passes(session, mutant, limit):
                self.survived.append(mutant)
                self.told(f"{_path(self.module).relative_to(ROOT)}:{mutant.line}: {mutant.change}\n")
        return passed

    def _passes(self, session: Any, mutant: Mutant, limit: float) -> bool:
        child = os.fork()
        if not child:
            os._exit(self._tested(session, mutant))
        start = time.monotonic()
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() - start > limit:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return False
            time.sleep(0.02)
        return ended[1] == 0

    def _tested(self, session: Any, mutant: Mutant) -> int:
        os.setpgid(0, 0)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            session.config.pluginmanager.unregister(name="terminalreporter")
            replace_code(self.module, mutated(_tree(self.module), mutant))
            for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return 1
        except BaseException:  # whatever a fault does to the run itself, it was noticed
            return 1
        return 0


# --------------------------------------------------------------------------------------------- the result


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the sample of one module."""

    module: str
    possible: int
    tried: int
    survived: tuple[Mutant, ...]

    @property
    def unnoticeable(self) -> int:
        """How many of those that survived are known to change nothing."""
        return sum(_known(self.module, mutant) is not None for mutant in self.survived)


def _known(module: str, mutant: Mutant) -> str | None:
    return EQUIVALENT.get(f"{module}:{mutant.line}: {mutant.change}")


def sampled(modules: Sequence[str], size: int, seed: int) -> dict[str, list[Mutant]]:
    """Draw so many faults of all there are, from each module in proportion, four at least."""
    every = {module: mutants(_tree(module)) for module in modules}
    total = sum(map(len, every.values()))
    drawn = {}
    for module, known in every.items():
        share = min(len(known), max(4, round(size * len(known) / total)))
        drawn[module] = sorted(random.Random(f"{seed}:{module}").sample(known, share))
    return drawn


def tried(module: str, sample: Sequence[Mutant], told: Callable[[str], object]) -> Result:
    """Try a module's faults one after the other."""
    trial = Trial(module, sample, told)
    tests = [str(ROOT / "tests" / f"test_{name}.py") for name in MODULES[module]]
    if pytest.main([*PYTEST, f"--rootdir={ROOT}", *tests], plugins=[trial]):
        raise SystemExit(f"the tests of {module} fail without any fault")
    return Result(module, len(mutants(_tree(module))), len(sample), tuple(trial.survived))


def as_json(results: Sequence[Result], seed: int) -> str:
    """Give what was found, for machines."""
    lines = [
        {
            "module": one.module,
            "possible": one.possible,
            "tried": one.tried,
            "killed": one.tried - len(one.survived),
            "survived": [
                {"line": m.line, "change": m.change, "equivalent": _known(one.module, m)} for m in one.survived
            ],
        }
        for one in results
    ]
    return json.dumps({"seed": seed, "results": lines}, indent=1) + "\n"


def as_page(results: Sequence[Result], seed: int) -> str:
    """Give what was found, for people."""
    lines = ["# Faults that the tests notice", "", f"Made by `make mutation` (seed {seed}).", ""]
    lines += [
        "| module | possible | tried | killed | survived | of these without effect |",
        "|---|---|---|---|---|---|",
    ]
    sums = [0, 0, 0, 0, 0]
    for one in results:
        row = (one.possible, one.tried, one.tried - len(one.survived), len(one.survived), one.unnoticeable)
        sums = [total + value for total, value in zip(sums, row, strict=True)]
        lines.append(f"| {one.module.removeprefix('mimetic.')} | " + " | ".join(map(str, row)) + " |")
    lines.append("| **all** | " + " | ".join(map(str, sums)) + " |")
    lines += ["", f"Killed: {100 * sums[2] / sums[1]:.0f} % of those tried.", "", "## What survived", ""]
    for one in results:
        for mutant in one.survived:
            why = _known(one.module, mutant)
            place = f"{_path(one.module).relative_to(ROOT)}:{mutant.line}"
            lines.append(f"- {place}: `{mutant.change}`" + (f": changes nothing, {why}" if why else ""))
    return "\n".join(lines) + "\n"


def main(
    modules: Annotated[
        list[str] | None, typer.Argument(help="The modules; all of them into results/ if not told.")
    ] = None,
    size: Annotated[int, typer.Option(help="How many faults are tried in all.")] = 180,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 2,
) -> None:
    """Put faults into modules, and tell which the tests do not notice."""
    sample = sampled(list(MODULES), size, seed)
    results = [tried(module, sample[module], sys.stdout.write) for module in modules or MODULES]
    page = as_page(results, seed)
    if not modules:
        (ROOT / "results" / "mutation.json").write_text(as_json(results, seed), "utf-8")
        (ROOT / "results" / "mutation.md").write_text(page, "utf-8")
    sys.stdout.write(page)


if __name__ == "__main__":
    typer.run(main)
