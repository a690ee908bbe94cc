"""What the documentation shows: its pages as blocks, and a place where their commands mean something.

A block is run as it stands, unless its fence says why not: ``title="Not run by the tests: REASON"``. A block behind
``<!-- slow: REASON -->`` runs among the slow tests. A command that cannot run says so in its comment: ``[not run:
REASON]``. Names that stand for something (DATA, RUN, clip.mp4) are files of that name here.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import write_clip
from conftest import REPOSITORY
from mimetic.cli import main
from mimetic.commands.arguments import FELL_SHORT
from served import make_place

NOT_RUN = "Not run by the tests: "
SLOW = re.compile(r"<!-- slow: \w.+-->")
FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*) *(?:title=\"(?P<title>[^\"]+)\")?")
SHELL = ("ls", "cat", "head", "true")
"""Programs that a page may show beside ours; they only look."""

FINDING = ("audit", "extract", "import")
"""Commands that end with 1 where something is wrong with a clip: here some are, on purpose."""

ELSEWHERE = {
    "docs/serve.md": "a server listens until it is stopped: test_web_serve.py starts one",
    "docs/scaling.md": "several machines and devices: the tests of each",
    "docs/reliability.md": "its own tests",
    "docs/dependencies.md": "other sets of packages",
}
"""Pages whose commands are run by other tests, and why; that there are such commands is tested of them, too."""

PAGES = ("README.md", *(str(page.relative_to(REPOSITORY)) for page in sorted((REPOSITORY / "docs").rglob("*.md"))))


@dataclass(frozen=True)
class Block:
    """Fenced lines of a page, as they stand."""

    page: str
    line: int
    language: str
    title: str
    text: str
    slow: bool

    @property
    def told(self) -> str:
        """Why it is not run; empty if it is."""
        return self.title.removeprefix(NOT_RUN) if self.title.startswith(NOT_RUN) else ""

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python") and not self.told and not self.title.endswith(".py")


def blocks(page: str) -> list[Block]:
    """Cut a page into its blocks."""
    return list(_blocks(page, (REPOSITORY / page).read_text("utf-8").splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    slow, number = False, 0
    while number < len(lines):
        opened = FENCE.fullmatch(lines[number])
        if opened is None:
            slow = bool(SLOW.search(lines[number])) or (slow and not lines[number].strip())
            number += 1
            continue
        end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
        text = "\n".join(line.removeprefix(opened["indent"]) for line in lines[number + 1 : end])
        yield Block(page, number + 1, opened["language"], opened["title"] or "", text, slow)
        slow, number = False, end + 1


def trains(page: str) -> bool:
    """Tell whether a page makes runs of its own: it then begins without any."""
    lines = [line for block in blocks(page) if block.runs for line in block.text.splitlines()]
    return any(line.startswith("mimetic train") and "--out" not in line for line in lines)


def commands(block: Block) -> list[str]:
    """Give a shell block's commands: continued lines joined, without comments, and without those not to be run."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#") and "[not run: " not in line]


def run_page(page: str, folder: Path, *, slow: bool) -> None:
    """Run a page's blocks in order, in one folder and one namespace; where a block is slow, those before it run too."""
    space: dict[str, Any] = {"__name__": "documentation"}
    if trains(page):
        shutil.rmtree(folder / "runs")
    for block in blocks(page):
        if not block.runs or (block.slow and not slow):
            continue
        with chdir(folder):
            if block.language == "sh":
                for command in commands(block):
                    _run(command, f"{page}, line {block.line}")
            else:
                _execute(block, space)


def _execute(block: Block, space: dict[str, Any]) -> None:
    """Run Python with the page's own line numbers, so that an error names the line of the page."""
    tree = ast.increment_lineno(ast.parse(block.text), block.line)
    exec(compile(tree, block.page, "exec"), space)


def _run(line: str, where: str) -> None:
    """Run a line of commands joined by && or ||."""
    words = shlex.split(line, comments=True)
    failed = False
    for joint, command in _joined(words):
        if (joint == "||") != failed:
            continue
        failed = _code(command, where) != 0
    assert not failed, f"{where}: {line!r} failed"


def _joined(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    joint, command = "&&", []
    for word in words:
        if word in ("&&", "||"):
            yield joint, command
            joint, command = word, []
        else:
            command.append(word)
    yield joint, command


def _code(words: list[str], where: str) -> int:
    words = words[: words.index(">")] if ">" in words else words  # where the output goes is not looked at
    words = [found for word in words for found in _expanded(word)]
    if words[0] == "mimetic":
        with pytest.raises(SystemExit) as done:
            main(words[1:])
        code = int(done.value.code or 0)
        return 0 if code == FELL_SHORT and words[1] in FINDING else code
    assert words[0] in SHELL, f"{where}: the tests have no way to run {words[0]!r}; say in the fence's title why"
    return subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode


def _expanded(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


# ------------------------------------------------------------------------------------------------- the place


SCRIPTS = (
    "I had never seen so many people in one place before",
    "and then he told me to go home without my friends",
    "what a day it was, with all that sun over the sea",
)


def make_stage(root: Path) -> Path:
    """Make a folder in which the documentation's names are files: of a data set, runs, clips, features."""
    place = make_place(root.with_name("place"), scripts=SCRIPTS)
    people = [f"{number:05d},p{number % 4}" for number in range(16)]
    (place.data / "clips.csv").write_text("\n".join(["Filename,person", *people]) + "\n")
    for name in ("DATA", "mimetic-demo/demo"):
        shutil.copytree(place.data, root / name)
    shutil.copytree(place.runs, root / "runs")
    for name in ("RUN", "mimetic-demo/run"):
        shutil.copytree(place.run.path, root / name)
    for number, name in enumerate(("clip.mp4", "holiday.webm", "silent.mp4")):
        write_clip(root / name.replace("webm", "mp4"), sound=name != "silent.mp4", seed=number)
    (root / "holiday.mp4").rename(root / "holiday.webm")
    (root / "clip.txt").write_text("what a day")
    _write_clips(root / "clips")
    _write_features(root)
    (root / "mine.toml").write_text(_toml())
    return root


def _write_clips(folder: Path) -> None:
    """Write nine clips of three people, with numbers, under names that are nobody's convention."""
    draw = np.random.default_rng(0)
    lines = ["FileName,person,joy,pride"]
    for number, name in enumerate("abcdefghi"):
        write_clip(folder / f"{name}.mp4", seed=number)
        lines.append(f"{name}.mp4,p{number % 3},{draw.random():.2f},{draw.random():.2f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def _write_features(root: Path) -> None:
    """Write what others may have extracted: a zip of arrays, and one file with all of them."""
    draw = np.random.default_rng(0)
    ids = [f"{number:05d}" for number in range(16)]
    (root / "zipped").mkdir()
    for clip in ids:
        np.save(root / "zipped" / f"{clip}.npy", draw.normal(size=(20, 768)).astype(np.float32))
    shutil.make_archive(str(root / "wav2vec2"), "zip", root / "zipped")
    shutil.rmtree(root / "zipped")
    np.savez(root / "faces.npz", **{clip: draw.normal(size=(6, 32)).astype(np.float32) for clip in ids})


def _toml() -> str:
    """Give the recipe that the how-to shows."""
    return next(block.text for block in blocks("docs/how-to/add.md") if block.language == "toml")
