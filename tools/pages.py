"""What mkdocs is told while it builds the site: pages made of the code and of results/, and where other pages stand.

In go the tables, the docstrings and results/*.md; out come pages that nobody writes by hand, and a menu that forgets
none.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

import house  # noqa: E402 - found by the line above
import reference  # noqa: E402

TOLD = {"LOG.md": "What was decided, and what failed", "CHANGELOG.md": "Changes", "CONTRIBUTING.md": "Contributing"}
"""Pages at the repository's root that are pages of the site too."""

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([\w./-]+)(#[\w-]+)?\)")
"""A link from a page of docs/ to a file beside docs/."""


def on_config(config: Any) -> Any:
    """Put results, and pages that the menu does not name, at its end."""
    named = set(_named(config.nav))
    more = [path for path in _pages(Path(config.docs_dir)) if path not in named]
    results = [f"results/{path.name}" for path in sorted((ROOT / "results").glob("*.md"))]
    config.nav += [{"Results": results}, {"More": [*more, *({title: name.lower()} for name, title in TOLD.items())]}]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made: the reference, the results, and those of the repository's root."""
    made = {f"reference/{name}": text for name, text in reference.pages().items()}
    made |= {f"results/{path.name}": path.read_text("utf-8") for path in (ROOT / "results").glob("*.md")}
    made |= {name.lower(): (ROOT / name).read_text("utf-8") for name in TOLD}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001 - mkdocs gives them
    """Measure the house where its page stands, and lead links out of docs/ to the page of the site, if there is one."""
    if page.file.src_uri == "house.md":
        markdown = house.with_table(markdown)
    up = "../" * page.file.src_uri.count("/")
    return OUTSIDE.sub(lambda link: _inside(link, up, files), markdown)


def _inside(link: re.Match[str], up: str, files: Files) -> str:
    text, path, anchor = link[1], link[2], link[3] or ""
    uri = {"README.md": "index.md"}.get(path, path.lower() if path in TOLD else path)
    return f"[{text}]({up}{uri}{anchor})" if files.get_file_from_path(uri) else text


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [path for part in parts for path in _named(part)]


def _pages(docs: Path) -> list[str]:
    return sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
