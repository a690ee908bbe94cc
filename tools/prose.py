"""Docstrings and rows in, Markdown out: literals, blocks set off by two colons, examples, numpy's sections, tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence

LISTED = ("Parameters", "Attributes", "Returns", "Raises")
"""Sections of names, each with what is said of it below."""


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {_plain(of)}" for key, of in value.items() if of is not None)
    return _plain(value).replace("|", "\\|").replace("\n", " ")


def _plain(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Give a table; numbers with their thousands apart, nothing where there is nothing."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def as_markdown(doc: str | None) -> str:
    """Turn a docstring into Markdown: literals, blocks, examples, and numpy's sections."""
    lines = inspect.cleandoc(doc or "").splitlines()
    lines = list(_with_sections(lines))
    text = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", "\n".join(_with_blocks(lines)))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _with_sections(lines: Sequence[str]) -> Iterator[str]:
    listed = inside = False
    for number, line in enumerate(lines):
        follows = lines[number + 1] if number + 1 < len(lines) else ""
        if line and follows and set(follows) == {"-"}:
            inside, listed = True, line in LISTED
            yield from ("", f"**{line}**")
        elif set(line) == {"-"} and len(line) > 2:
            yield ""
        elif listed and line and not line.startswith((" ", ">>>")):
            yield from ("", f"`{line}`  ")
        else:
            yield line.removeprefix("    ") if inside else line


def _with_blocks(lines: Sequence[str]) -> Iterator[str]:
    """Fence examples, and what is set off with two colons."""
    fenced, awaited = "", False
    for line in [*lines, ""]:
        if fenced and (not line.strip() if fenced == "python" else bool(line) and not line.startswith(" ")):
            yield from ("```", "")
            fenced = ""
        if not fenced and line.startswith(">>>"):
            yield from ("", "```python")
            fenced = "python"
        elif not fenced and awaited and line.startswith("    "):
            yield "```text"
            fenced, awaited = "text", False
        ends = not fenced and line.rstrip().endswith("::")
        awaited = awaited or ends
        yield re.sub(r"::$", ":" if len(line.rstrip()) > 2 else "", line.rstrip()) if ends else line
    if fenced:
        yield "```"


def page(title: str, *parts: str) -> str:
    """Give a page of parts under a title."""
    return "\n\n".join([f"# {title}", *parts]) + "\n"
