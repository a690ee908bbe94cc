"""Where data go: nowhere. Nothing tries the network, runs a stranger's code, or tells anybody; models are pinned."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mimetic
from clips import write_layout
from mimetic.features import EXTRACTORS
from mimetic.models import ModelEntry

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path(mimetic.__file__).parent

GUARD = """
import sys
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise SystemExit(f"NETWORK {event} {arguments}")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        raise SystemExit(f"NETWORK {event} {arguments}")
sys.addaudithook(watch)
from mimetic.cli import main
main(sys.argv[1:])
"""

UNPINNED = {"facebook/dino-vits8", "Alibaba-NLP/gte-en-mlm-base"}
"""Models of which no published work was found to pin a commit: they are taken as they stand, and that is said."""


def guarded(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", GUARD, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("layout"))


def test_extracting_training_and_predicting_try_no_network(layout: Path, tmp_path: Path) -> None:
    store, runs = tmp_path / "store", tmp_path / "runs"
    common = ("--store", store, "--workers", 0)
    done = guarded("extract", layout, "--with", "motion-blocks,logmel", *common)
    assert "NETWORK" not in done.stderr
    assert done.returncode == 1, done.stderr  # a clip has no sound
    recipe = ("motion-blocks.meanstd", "--set", "fit.epochs=2", "--out", runs)
    done = guarded("train", layout, *recipe, *common)
    assert done.returncode == 0, done.stderr
    (run,) = runs.glob("*/seed-0")
    done = guarded("predict", run, layout / "raw" / "00000.mp4", "--json")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_demo_tries_no_network(tmp_path: Path) -> None:
    done = guarded("demo", "--out", tmp_path / "demo", "--size", "small")
    assert done.returncode == 0, done.stderr


def test_the_guard_would_notice() -> None:
    program = GUARD.replace(
        "from mimetic.cli import main\nmain(sys.argv[1:])", "import urllib.request as u\nu.urlopen('http://x.invalid')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "NETWORK" in done.stderr


def test_telemetry_of_what_we_use_is_off() -> None:
    program = "import mimetic; from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    clean = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name and name != "DO_NOT_TRACK"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.strip() == "True"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_code_from_the_hub_is_never_trusted() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert ast.unparse(node.value) == "False", path
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value != "trust_remote_code", path


def test_nothing_is_unpickled_but_by_our_own_machine_and_no_text_is_run_as_code() -> None:
    allowed = {"foreign/pickles/machine.py": {"pickle"}}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        tree = ast.parse(path.read_text("utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not imported & {"pickle", "marshal", "shelve", "dill", "joblib", "subprocess"} - allowed.get(
            name, set()
        ), name
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec", "compile", "__import__"}, name


def test_every_model_of_the_hub_is_pinned_to_a_commit_or_named_as_one_that_is_not() -> None:
    models = {
        entry.model: entry.revision
        for entry in EXTRACTORS.values()
        if isinstance(entry, ModelEntry) and "/" in entry.model and not entry.model.startswith("package:")
    }
    loose = {model for model, revision in models.items() if not revision or len(revision) != 40}
    assert loose == UNPINNED
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    assert all(model in page for model in UNPINNED)


def test_the_page_of_dependencies_is_as_the_project_has_it() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "dependencies.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
