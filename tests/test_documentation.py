"""The documentation holds: what it shows runs, what it links to is there, what is made of the code is complete."""

from __future__ import annotations

import doctest
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

import mimetic
from conftest import REPOSITORY
from documented import ELSEWHERE, NOT_RUN, PAGES, blocks, commands, make_stage, run_page
from mimetic import cli
from mimetic.datasets import DATASETS
from mimetic.detectors import DETECTORS
from mimetic.encoders import ENCODERS
from mimetic.features import EXTRACTORS
from mimetic.fusions import FUSIONS
from mimetic.recipes import RECIPES
from mimetic.recipes.record import Fit, Part, Recipe

OURS = [page for page in PAGES if page not in ELSEWHERE]
RUNNING = [page for page in OURS if any(block.runs and not block.slow for block in blocks(page))]
SLOW = [page for page in OURS if any(block.runs and block.slow for block in blocks(page))]
TOOLS = REPOSITORY / "tools"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that pages are run in, made once; each gets a copy."""
    return make_stage(tmp_path_factory.mktemp("documented") / "stage")


@pytest.fixture
def folder(stage: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stage, tmp_path / "here"))


# -------------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("page", RUNNING)
def test_what_a_page_shows_runs(page: str, folder: Path) -> None:
    run_page(page, folder, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_what_takes_longer_runs_too(page: str, folder: Path) -> None:
    run_page(page, folder, slow=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_is_one_with_such_options(page: str) -> None:
    """Those that are not run here, too: a command's words are read, and nothing is done."""
    for block in blocks(page):
        for line in block.text.replace("\\\n", " ").splitlines() if block.language == "sh" else []:
            for words in _calls(line):
                _check_call(words, f"{page}, line {block.line}: {line}")


def _calls(line: str) -> list[list[str]]:
    told = re.split(r"&&|\|\||>", line.split(" #")[0])
    return [words[1:] for words in map(shlex.split, told) if words and words[0] == "mimetic"]


def _check_call(words: list[str], where: str) -> None:
    command: Any = typer.main.get_command(cli.app)
    while (inner := getattr(command, "commands", None)) and words[:1] != ["--version"]:
        assert words, where
        assert words[0] in inner, f"{where}: there is no command {words[0]!r}"
        command, words = inner[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        assert not word.startswith("--") or word == "--help" or word in options, f"{where}: no option {word}"


def test_what_is_not_run_says_why() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.title.startswith("Not run"):
                assert block.title.startswith(NOT_RUN), f"{page}, line {block.line}"
                assert len(block.told.split()) > 1, f"{page}, line {block.line}"
    assert sum(len(commands(block)) for page in RUNNING for block in blocks(page) if block.language == "sh") > 30


PUBLIC = [getattr(mimetic, name) for name in mimetic.__all__[1:]]


@pytest.mark.parametrize("name", sorted({thing.__module__ for thing in PUBLIC}))
def test_the_examples_in_the_docstrings_hold(name: str, folder: Path) -> None:
    with chdir(folder):
        assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", [name for name in mimetic.__all__ if name != "__version__"])
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(mimetic, name)) or ""), f"mimetic.{name} shows no example"


# ----------------------------------------------------------------------------------------------------- links


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and mkdocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = REPOSITORY / page
    made = {f"docs/reference/{name}" for name in _reference()}
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        inside = found.relative_to(REPOSITORY).as_posix()
        assert found.exists() or inside in made, f"{page} links to {target}, which is not there"
        assert not anchor or anchor in anchors(found), f"{page} links to {target}, which has no such heading"


# ------------------------------------------------------------------------------------------------- reference


@cache
def _reference() -> dict[str, str]:
    sys.path.insert(0, str(TOOLS))
    try:
        pages: dict[str, str] = import_module("reference").pages()
    finally:
        sys.path.remove(str(TOOLS))
    return pages


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return _reference()


def test_the_reference_leaves_nothing_public_out(reference: dict[str, str]) -> None:
    for name in mimetic.__all__[1:]:
        assert f"## mimetic.{name}\n" in reference["python.md"]
    tables = {
        "extractors": EXTRACTORS,
        "detectors": DETECTORS,
        "encoders": ENCODERS,
        "fusions": FUSIONS,
        "datasets": DATASETS,
        "recipes": RECIPES,
    }
    for page, table in tables.items():
        for name, entry in table.items():
            assert f"| `{name}` |" in reference[f"{page}.md"], name
            for option in getattr(entry, "options", {}) if page != "recipes" else ():
                assert f"`{option}=" in reference[f"{page}.md"], (name, option)
    for kind, prefix in ((Recipe, ""), (Part, "parts.0."), (Fit, "fit.")):
        for field in kind.__dataclass_fields__:
            assert f"| `{prefix}{field}` |" in reference["settings.md"]


def test_the_reference_has_every_command_and_every_option(reference: dict[str, str]) -> None:
    page, count = reference["commands.md"], 0
    sections = dict(section.split("\n", 1) for section in page.split("\n## ")[1:])
    for name, command in _leaves("mimetic", typer.main.get_command(cli.app)):
        count += 1
        for parameter in command.params:
            if parameter.name != "help":
                told = parameter.opts if parameter.param_type_name == "option" else [parameter.help]
                assert all(one in sections[name] for one in told), (name, parameter.name)
    assert count == len(sections) >= 23


def _leaves(name: str, command: Any) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    own = [(name, command)] if not inner or len(command.params) > ("help" in {p.name for p in command.params}) else []
    return own + [leaf for word, one in inner.items() for leaf in _leaves(f"{name} {word}", one)]


def test_public_methods_are_in_the_reference_with_what_they_say(reference: dict[str, str]) -> None:
    for name in ("MultimodalRegressor", "Run", "Store", "Modalities"):
        kind = getattr(mimetic, name)
        for word, member in vars(kind).items():
            if not word.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert f"### {name}.{word}\n" in reference["python.md"]


def test_formats_that_are_written_are_described(reference: dict[str, str]) -> None:
    page = reference["formats.md"]
    for word in (".arrow", "config.json", "model.safetensors", "scores.arrow", "train_split.csv", "dataset.toml"):
        assert word in page, word


# ------------------------------------------------------------------------------------------------------ site


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_nothing_of_a_network(tmp_path: Path) -> None:
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")]
    environment = {"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert (page.name, foreign(page.read_text("utf-8"))) == (page.name, [])
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", sheet.read_text("utf-8")), sheet.name


def foreign(html: str) -> list[str]:
    """Give what a page would fetch from elsewhere: everything but links that somebody has to follow."""
    tags = re.findall(r"<(script|link|img|iframe|source|video|audio|object|embed)\b([^>]*)>", html)
    told = [re.findall(r"(?:src|href|data|srcset)=[\"']?((?:https?:)?//[^\"'\s>]+)", inside) for _, inside in tags]
    return [one for found in told for one in found] + ["mermaid"] * ('class="mermaid"' in html)


def test_what_a_page_would_fetch_is_seen() -> None:
    assert foreign('<link rel="stylesheet" href="https://fonts.example/x.css"><script src=//cdn.example/y.js></script>')
    assert not foreign('<a href="https://example.org">elsewhere</a><script src="assets/y.js"></script>')


# ----------------------------------------------------------------------------------------------------- house


def test_the_house_s_table_has_every_figure() -> None:
    sys.path.insert(0, str(TOOLS))
    try:
        house = import_module("house")
    finally:
        sys.path.remove(str(TOOLS))
    ours = house.measure()
    assert list(ours) == list(house.ANCHORS)
    page = (REPOSITORY / "docs" / "house.md").read_text("utf-8")
    assert all(f"| {name} |" in page for name in ours)
    assert ours["typed arguments, returns %"] == "100, 100"
    assert ours["modules with a docstring %"] == "100"
