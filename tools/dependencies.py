"""The page of dependencies: what pyproject.toml asks for and what is installed in, ``docs/dependencies.md`` out.

    python tools/dependencies.py            checks the page against both, offline; exit 1 and what is wrong
    python tools/dependencies.py --write    writes it anew

A dependency without a reason in CONTRIBUTING.md, without a lower bound, or of a licence that nobody has looked at is a
fault. Versions are the lower bounds and exclusions of pyproject.toml; the tested set is constraints.txt.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "dependencies.md"
KNOWN = ("apache", "mit", "bsd", "mpl", "psf", "python software", "isc", "lgpl", "hpnd", "cc0", "zlib", "unlicense")
"""What a licence that was looked at has in its name: free software, all of it."""

EXCEPTIONS = {
    "axe-playwright-python": "MIT, by its LICENSE file; axe-core in it MPL-2.0",
    "opensmile": "audEERING research licence: not for commercial products; an extra, never needed",
}
"""Licences that the metadata does not tell, or that are not free, and what was decided of them."""


def wanted() -> list[tuple[str, str, str]]:
    """Give name, bounds and where it is asked for of each dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    found = []
    for group, lines in groups.items():
        for line in lines:
            match = re.match(r"([A-Za-z0-9_.-]+)\s*([^;]*)", line)
            assert match, line
            found.append((match[1], match[2].strip(), group))
    return found


def licence_of(name: str) -> str:
    """Give the licence as a package's metadata tells it, in a few words."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "License ::" in line]
    text = told.get("License-Expression") or (classifiers[-1] if classifiers else "") or told.get("License") or ""
    return " ".join(text.split())[:60]


def reasons() -> dict[str, str]:
    """Read the table in CONTRIBUTING.md: a reason by package."""
    found: dict[str, str] = {}
    for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines():
        if match := re.fullmatch(r"\| ([^|]+) \| ([^|]+) \|", line):
            for name in re.sub(r"\(.*?\)", "", match[1]).split(","):
                found[name.strip()] = match[2].strip()
    return found


def _old() -> dict[str, str]:
    """Give the licences that the page has: of what is not installed here, they stay."""
    text = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    rows = re.findall(r"^\| ([^|]+) \| [^|]* \| [^|]* \| ([^|]*) \| [^|]* \|$", text, re.MULTILINE)
    return {name.strip(): licence.strip() for name, licence in rows}


def page() -> tuple[str, list[str]]:
    """Give the page as it should be, and what is wrong with it."""
    faults, why, old = [], reasons(), _old()
    lines = []
    bounded = {name for name, bounds, _ in wanted() if re.search(r"[>=]=", bounds)}
    for name, bounds, group in wanted():
        licence = licence_of(name) or old.get(name, "")
        licence = EXCEPTIONS.get(name, licence)
        reason = why.get(name, "")
        if not reason:
            faults.append(f"{name} has no reason in CONTRIBUTING.md")
        if name not in bounded:
            faults.append(f"{name} has no lower bound")
        if name not in EXCEPTIONS and not any(known in licence.lower() for known in KNOWN):
            faults.append(f"{name} is of a licence that nobody has looked at: {licence or 'none told'!r}")
        lines.append(f"| {name} | {bounds} | {group} | {licence} | {reason} |")
    head = (
        "# Dependencies\n\nMade by `python tools/dependencies.py --write` from pyproject.toml, CONTRIBUTING.md and the"
        " metadata of what is\ninstalled; `make check` compares them, offline. `make audit` asks for known"
        " vulnerabilities, where a network is.\nThe tested set of versions is constraints.txt. Licences are those of"
        " the packages; the licences of models and data\nare their own (`mimetic list extractors`).\n\n"
        "| package | bounds | for | licence | reason |\n|---|---|---|---|---|\n"
    )
    return head + "\n".join(lines) + "\n", faults


def _worded(text: str) -> str:
    """Leave out the licences: versions of one package word the same one differently."""
    return re.sub(r"^(\| [^|]+ \| [^|]* \| [^|]* \|)[^|]*(\|.*)$", r"\1\2", text, flags=re.MULTILINE)


def main() -> int:
    """Write the page, or compare it."""
    text, faults = page()
    if "--write" in sys.argv:
        PAGE.write_text(text, "utf-8")
    elif not PAGE.is_file() or _worded(PAGE.read_text("utf-8")) != _worded(text):
        faults.append("docs/dependencies.md is not as pyproject.toml has it: python tools/dependencies.py --write")
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
