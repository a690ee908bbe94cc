"""What a release needs, as far as it can be seen without building one: one version, and a changelog that knows it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mimetic import __version__

ROOT = Path(__file__).parents[1]


def test_the_version_is_pyproject_s_and_the_citation_says_the_same() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert told == __version__
    assert f"\nversion: {told}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__


def test_the_workflow_runs_what_make_runs() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    called = set(re.findall(r"make ([a-z-]+)", workflow))
    assert called
    assert called <= targets
