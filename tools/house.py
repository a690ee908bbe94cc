"""The house by its figures: Python files in; how long its functions are, what is typed, what is said, out.

``python tools/house.py`` prints the table of docs/house.md. The anchors' figures were made in the same way, of their
repositories as they stood in 2026: tests left out; *comments* are comment lines over lines that are neither blank nor
docstring, *docstrings* docstring lines over all lines, *typed* annotated arguments and returns over all of them.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- measured -->"

ANCHORS = {
    "modules, lines": ("14, 4.0k", "14, 3.4k", "84, 20.9k", "349, 82k", "72, 16k", "284, 126k"),
    "file: median, longest": ("240, 827", "229, 556", "165, 1,170", "161, 1,313", "134, 1,279", "244, 4,923"),
    "function: median, 90 %": ("8, 53", "12, 47", "16, 68", "17, 54", "7, 40", "8, 43"),
    "longest function": ("477", "100", "336", "330", "428", "265"),
    "comments %": ("7", "22", "22 (licence)", "20 (licence)", "11", "6"),
    "docstring lines %": ("8", "17", "22", "47", "26", "13"),
    "modules with a docstring %": ("0", "93", "10", "1", "7", "77"),
    "typed arguments, returns %": ("86, 39", "15, 10", "82, 52", "100, 100", "47, 32", "70, 56"),
    "raise, assert per 1,000 lines": ("6.8, 3.8", "3.2, 11.4", "7.4, 0.6", "12.1, 0.2", "10, 6.1", "2.1, 5.2"),
    "print per 1,000 lines": ("3.0", "11.4", "0.7", "0.1", "1.1", "0.1"),
    "tests / code": ("0.08", "0.31", "0.08", "0.50", "0.55", "0.04"),
}
"""Read at whisper c0d2f62, nanochat 92d63d4, pyannote-audio b749285c, torchmetrics dab033394, equinox 9336d82, timm
aa4b5850."""

NAMES = ("whisper", "nanochat", "pyannote", "torchmetrics", "equinox", "timm")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A file: its lines, its tree, and how many of its lines are docstrings and comments."""

    lines: int
    blank: int
    docstrings: int
    comments: int
    tree: ast.Module

    @property
    def functions(self) -> list[Function]:
        """Every function and method, those inside others too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def count(self, kind: type[ast.AST]) -> int:
        """Count the nodes of a kind."""
        return sum(isinstance(node, kind) for node in ast.walk(self.tree))


def read(path: Path) -> Module:
    """Read a file."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Module(
        lines=len(text.splitlines()),
        blank=sum(not line.strip() for line in text.splitlines()),
        docstrings=sum(_length(node) for node in _docstrings(tree)),
        comments=sum(token.type == tokenize.COMMENT for token in tokens),
        tree=tree,
    )


def _length(node: ast.AST) -> int:
    return int(node.end_lineno or 0) - int(node.lineno) + 1  # type: ignore[attr-defined]


def _docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Give what is said of modules, classes and functions, and of constants below them: texts that stand alone."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield node


def figures(modules: Sequence[Module], tests: int) -> dict[str, str]:
    """Give each figure as text; ``tests`` is how many lines of tests there are."""
    functions = [function for module in modules for function in module.functions]
    lengths = [_length(function) for function in functions]
    lines, files = sum(module.lines for module in modules), [module.lines for module in modules]
    docs, blank = sum(module.docstrings for module in modules), sum(module.blank for module in modules)
    thousand = lines / 1000
    arguments = [one for function in functions for one in _arguments(function)]
    typed = _percent(sum(one.annotation is not None for one in arguments), len(arguments))
    returns = _percent(sum(function.returns is not None for function in functions), len(functions))
    raises, asserts = (sum(module.count(kind) for module in modules) for kind in (ast.Raise, ast.Assert))
    told = sum(ast.get_docstring(module.tree) is not None for module in modules)
    return {
        "modules, lines": f"{len(modules)}, {thousand:.1f}k",
        "file: median, longest": f"{statistics.median(files):.0f}, {max(files):,}",
        "function: median, 90 %": f"{statistics.median(lengths):.0f}, {statistics.quantiles(lengths, n=10)[-1]:.0f}",
        "longest function": str(max(lengths)),
        "comments %": _percent(sum(module.comments for module in modules), lines - blank - docs),
        "docstring lines %": _percent(docs, lines),
        "modules with a docstring %": _percent(told, len(modules)),
        "typed arguments, returns %": f"{typed}, {returns}",
        "raise, assert per 1,000 lines": f"{raises / thousand:.1f}, {asserts / thousand:.1f}",
        "print per 1,000 lines": f"{sum(map(_prints, modules)) / thousand:.1f}",
        "tests / code": f"{tests / lines:.2f}",
    }


def _arguments(function: Function) -> list[ast.arg]:
    told = function.args
    named = [*told.posonlyargs, *told.args, *told.kwonlyargs]
    return [one for one in named if one.arg not in ("self", "cls")]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}"


def _prints(module: Module) -> int:
    calls = (node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    return sum(isinstance(called, ast.Name) and called.id == "print" for called in calls)


def measure(root: Path = ROOT) -> dict[str, str]:
    """Measure src/ and tests/ of a repository."""
    tests = sum(len(path.read_text("utf-8").splitlines()) for path in (root / "tests").rglob("*.py"))
    return figures([read(path) for path in sorted((root / "src").rglob("*.py"))], tests)


def as_table(ours: dict[str, str]) -> str:
    """Give ours beside the anchors', in Markdown."""
    lines = [["quality", "mimetic", *NAMES], ["---"] * (len(NAMES) + 2)]
    lines += [[name, f"**{ours[name]}**", *theirs] for name, theirs in ANCHORS.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_table(text: str) -> str:
    """Put the table as it is now between the marks of a page."""
    before, _, rest = text.partition(MARK)
    return f"{before}{MARK}\n\n{as_table(measure())}\n\n{MARK}{rest.partition(MARK)[2]}"


if __name__ == "__main__":
    page = ROOT / "docs" / "house.md"
    page.write_text(with_table(page.read_text("utf-8")), "utf-8")
    print(as_table(measure()))  # noqa: T201 - a tool speaks on its terminal
