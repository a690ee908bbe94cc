"""The house has one arrow of imports: a module imports only from those that the package's docstring lists above it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mimetic

SOURCE = Path(mimetic.__file__).parent
OPEN = ("features", "encoders", "fusions", "datasets", "evidence", "foreign")
"""Directories of things one adds: their files do not import each other."""


def house() -> list[list[str]]:
    """Read the order from the package's docstring: rows of rooms, the first at the top."""
    lines = (mimetic.__doc__ or "").split("::")[1].splitlines()
    return [re.split(r"\s{2,}", line.strip())[0].split() for line in lines if line.strip()]


def room(module: str) -> str:
    """``mimetic.features.motion`` lives in ``features``."""
    return module.split(".")[1] if "." in module else "__init__"


def files() -> list[str]:
    return sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module of ours that a file imports, those inside functions included, those for type checkers not."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} if node.module != "mimetic" else {f"mimetic.{a.name}" for a in node.names}
    return {name for name in found if name.split(".")[0] == "mimetic"}


def test_the_docstring_names_every_room_once() -> None:
    rooms = [name for row in house() for name in row]
    there = {path.stem for path in SOURCE.glob("*.py")} | {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    assert sorted(rooms) == sorted(there - {"__init__", "__main__"})


@pytest.mark.parametrize("name", files())
def test_imports_run_one_way(name: str) -> None:
    order = {module: row for row, names in enumerate(house()) for module in names}
    mine = name.split("/")[0].removesuffix(".py")
    if mine in ("__init__", "__main__"):
        return
    for module in imports(SOURCE / name):
        theirs = room(module)
        if theirs == mine:
            assert mine not in OPEN or _may_know(name, module), f"{name} imports its neighbour {module}"
        else:
            rows = [names for names in house() if mine in names and theirs in names]
            within = bool(rows) and rows[0].index(theirs) < rows[0].index(mine)
            assert within or order[theirs] < order[mine], f"{name} imports {module}, which stands below it"


def _may_know(name: str, module: str) -> bool:
    """A table is known to all of its directory's readers, and a folder inside the directory is a house of its own."""
    inner = name.split("/")
    if inner[-1] in ("__init__.py", "table.py"):  # the table itself
        return True
    return len(inner) > 2 and module.split(".")[2] == inner[1]


def test_records_and_tables_import_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, mimetic, mimetic.records, mimetic.features, mimetic.encoders, mimetic.fusions, mimetic.recipes,"
        "mimetic.listings, mimetic.cli; print([m for m in ('torch', 'transformers', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_itself_imports_nothing_slow() -> None:
    import subprocess
    import sys

    slow = ("numpy", "torch", "transformers", "pyarrow", "rich", "importlib.metadata")
    code = f"import sys, mimetic.cli; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
