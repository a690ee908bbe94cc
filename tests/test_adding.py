"""The how-to holds: what it adds, one file and one line each, passes the contract suites as they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from documented import Block, blocks

HOW_TO = "docs/how-to/add.md"
SUITES = {
    "loudness": ("test_contracts.py",),
    "peaks": ("test_encoders.py",),
    "agreeing": ("test_fusions.py",),
    "lines": ("test_datasets_contract.py",),
}
"""What the how-to adds, and the suites that hold it."""


def files() -> list[Block]:
    return [block for block in blocks(HOW_TO) if block.title.startswith("src/")]


def entries() -> list[Block]:
    return [block for block in blocks(HOW_TO) if block.title.startswith("one line in ")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the repository with everything that the how-to adds."""
    copy = tmp_path_factory.mktemp("added")
    shutil.copytree(REPOSITORY / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for block in files():
        (copy / block.title).write_text(block.text + "\n", "utf-8")
    for block in entries():
        add_entry(copy, block)
    return copy


def add_entry(copy: Path, block: Block) -> None:
    """Put an entry at the head of its table."""
    told = re.fullmatch(r"one line in (\w+), (\S+)", block.title)
    assert told is not None
    path = copy / told[2]
    text = path.read_text("utf-8")
    head = re.search(rf"^{told[1]}: .*= {{\n", text, flags=re.MULTILINE)
    assert head is not None, f"{told[2]} has no table {told[1]}"
    path.write_text(text[: head.end()] + block.text + "\n" + text[head.end() :], "utf-8")


def run(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(house / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)


def test_each_is_one_file_and_one_line() -> None:
    assert len(files()) == len(entries()) == len(SUITES)
    assert all(block.text.count('target="mimetic.') == 1 for block in entries())


def test_the_contract_suites_take_them_up_and_they_pass(house: Path) -> None:
    suites = sorted({f"tests/{suite}" for told in SUITES.values() for suite in told} | {"tests/test_layers.py"})
    names = " or ".join((*SUITES, "arrow", "rooms"))
    done = run(house, "-m", "pytest", "-v", "-m", "not slow", *suites, "-k", names)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for name, told in SUITES.items():
        for suite in told:
            passed = re.findall(rf"{suite}::\S+\[[^\]]*{name}[^\]]*\] PASSED", done.stdout)
            assert len(passed) >= 2, (name, suite)
        assert re.search(rf"test_layers.py::\S+{name}.py\] PASSED", done.stdout), name


def test_a_file_that_knows_its_neighbour_or_sees_padding_is_caught(house: Path, tmp_path: Path) -> None:
    """The suites can fail: the how-to's encoder without its mask, and with an import from another encoder."""
    spoilt = tmp_path / "spoilt"
    shutil.copytree(house, spoilt)
    path = spoilt / "src" / "mimetic" / "encoders" / "peaks.py"
    text = path.read_text("utf-8").replace("padding[..., None]", "padding[..., None] & False")
    path.write_text(text + "\n\nfrom mimetic.encoders.pooled import Mean  # noqa\n", "utf-8")
    suites = ("tests/test_encoders.py", "tests/test_layers.py")
    done = run(spoilt, "-m", "pytest", "-q", *suites, "-k", "peaks")
    assert "test_what_stands_in_the_padding_changes_nothing[peaks]" in done.stdout
    assert "peaks.py imports its neighbour" in done.stdout


def test_what_was_added_can_be_listed_and_trained(house: Path) -> None:
    code = (
        "from mimetic.recipes import Part, Recipe; from mimetic.listings import rows;"
        "part = Part(feature='loudness', encoder='peaks'); Recipe(name='x', parts=(part, part), fusion='agreeing');"
        "print([any(row['name'] == name for row in rows(kind)) for kind, name in (('extractors', 'loudness'),"
        "('encoders', 'peaks'), ('fusions', 'agreeing'), ('datasets', 'lines'))])"
    )
    done = run(house, "-c", code)
    assert done.stdout.strip() == "[True, True, True, True]", done.stderr[-500:]
