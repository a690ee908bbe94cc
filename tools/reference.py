"""The reference, made of the code: the tables, the commands and the docstrings in, a page of Markdown for each out.

``python tools/reference.py DIR`` writes the pages; the site makes them while it is built. Nothing in it is written by
hand, so nothing in it can be out of date.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import mimetic
from manual import commands, commands_page
from mimetic import records
from mimetic.datasets import DATASETS
from mimetic.detectors import DETECTORS
from mimetic.encoders import ENCODERS
from mimetic.features import EXTRACTORS, feature
from mimetic.fusions import FUSIONS
from mimetic.models import ExtractorEntry, ModelEntry
from mimetic.recipes import RECIPES, Fit, Part, Recipe
from mimetic.records import Entry
from prose import as_markdown, page, table

SOURCE = Path(mimetic.__file__).parent

FORMATS = {
    "The challenge's layout": "datasets.hume",
    "Any CSV, and dataset.toml": "datasets.table",
    "The demo's folder": "datasets.drawn",
    "A store of features": "store",
    "A run": "runs",
    "A submission": "submission",
    "The ledger of submissions": "ledger",
    "Transcripts": "words",
    "Subtitles": "subtitles",
    "Encodings of texts": "encodings",
    "Features that others made": "imports",
    "Foreign arrays": "foreign.arrays",
    "Foreign tables": "foreign.tables",
    "Foreign pickles": "foreign.pickles",
    "Learning curves": "journal",
    "A tuned encoder": "tuned",
    "A run on the hub": "hub",
}
"""Formats, and the module whose docstring describes each."""

UNITS = """Axes are named `clip time dim target modality height width`. Rates are in hertz, times and durations in
seconds. Sound is mono, 16 kHz, float32 in [-1, 1]; pictures are `height width 3`, RGB, uint8. A value that is not known
is NaN in an array, `None` in Python and `null` in JSON; it is never zero."""


def pages() -> dict[str, str]:
    """Make every page, by its file's name."""
    return {name: make() for name, make in _PAGES.items()}


# ------------------------------------------------------------------------------------------------ tables


def _index() -> str:
    counts = {
        "commands": len(list(commands())),
        "public names": len(mimetic.__all__) - 1,
        "extractors": len(EXTRACTORS),
        "detectors": len(DETECTORS),
        "encoders": len(ENCODERS),
        "fusions": len(FUSIONS),
        "kinds of data sets": len(DATASETS),
        "recipes": len(RECIPES),
    }
    told = table(["", "how many"], [[name, str(count)] for name, count in counts.items()])
    intro = f"Made of the code of mimetic {mimetic.__version__} by `tools/reference.py`: tables, commands, docstrings."
    return page("Reference", intro, told, "## Units", UNITS)


def _options(entry: Entry) -> str:
    told = {**entry.options, **getattr(entry, "view_options", {})}
    return ", ".join(f"`{name}={'' if value is None else value}`" for name, value in told.items())


def _extractors() -> str:
    columns = ["name", "view", "modality", "dim", "rate, Hz", "stored as", "model", "licence", "extra", "what it gives"]
    rows = [
        (f"`{name}`", e.view, e.modality, e.dim, e.rate or "one a clip", feature(name).dtype, *_origin(e), e.about)
        for name, e in EXTRACTORS.items()
    ]
    intro = (
        "An extractor turns a view of a clip into a track of `(time, dim)`. A feature is an extractor with options: "
        "`name+option=value`; every one with a rate also has `+rate=HZ`, its rows pooled into bins."
    )
    options = table(
        ["name", "options, and what they are if not told"], [[f"`{n}`", _options(e)] for n, e in EXTRACTORS.items()]
    )
    pinned = [[f"`{n}`", e.model, e.revision] for n, e in EXTRACTORS.items() if isinstance(e, ModelEntry)]
    models = table(["name", "model", "revision"], pinned)
    return page("Extractors", intro, table(columns, rows), "## Options", options, "## Models", models)


def _origin(entry: ExtractorEntry) -> tuple[str | None, ...]:
    return entry.model, entry.licence, entry.extra


def _entries(title: str, entries: Mapping[str, Entry], intro: str) -> str:
    rows = [[f"`{name}`", entry.about, _options(entry), entry.licence, entry.extra] for name, entry in entries.items()]
    told = table(["name", "what it is", "options, and what they are if not told", "licence", "extra"], rows)
    docs = {name: inspect.getdoc(entry.load()) for name, entry in entries.items()}
    return page(title, intro, told, *(f"## {name}\n\n{as_markdown(doc)}" for name, doc in docs.items() if doc))


def _recipes() -> str:
    columns = ["name", "from", "modalities", "split", "published validation", "test", "parameters"]
    rows = [
        [
            f"`{r.name}`",
            r.source,
            r.modalities,
            r.split,
            r.published.get("validation"),
            r.published.get("test"),
            r.parameters,
        ]
        for r in RECIPES.values()
    ]
    intro = (
        "Published figures are by others, on the real data, as printed; a mean Pearson each. A recipe is a name, or a "
        "TOML file; `--set NAME=VALUE` changes one [setting](settings.md)."
    )
    about = [f"## {r.name}\n\n{r.about}\n\n{_parts(r)}" for r in RECIPES.values()]
    return page("Recipes", intro, table(columns, rows), *about)


def _parts(recipe: Recipe) -> str:
    rows = [
        [f"`{p.feature}`", f"`{p.encoder}`", p.modality, p.options, "yes" if p.standardise else ""]
        for p in recipe.parts
    ]
    told = table(["feature", "encoder", "modality", "its options", "standardised"], rows)
    return (
        f"{told}\n\nFusion `{recipe.fusion}`, {recipe.stages} stage{'s' * (recipe.stages > 1)}, split {recipe.split}."
    )


def _settings() -> str:
    parts = []
    for prefix, kind in (("", Recipe), ("parts.0.", Part), ("fit.", Fit)):
        notes = comments_of(kind)
        rows = [[f"`{prefix}{f.name}`", f"`{f.type}`", _default(f), notes.get(f.name, "")] for f in fields(kind)]
        parts += [
            f"## {kind.__name__}\n\n{as_markdown(kind.__doc__)}",
            table(["setting", "type", "if not told", "what it is"], rows),
        ]
    intro = "What `--set` changes, and what a recipe's TOML file may say. Places: `fit.epochs`, `parts.0.fit.epochs`."
    return page("Settings of a recipe", intro, *parts)


def _default(told: Field[Any]) -> str:
    if told.default_factory is not MISSING:
        return f"`{told.default_factory()}`"
    return "" if told.default is MISSING or told.default == "" or is_dataclass(told.default) else f"`{told.default}`"


def comments_of(kind: type) -> dict[str, str]:
    """Read the comment behind each field of a class."""
    source = inspect.getsource(kind)
    lines = iter(source.splitlines(keepends=True))
    notes: dict[str, str] = {}
    name = ""
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type == tokenize.NAME and re.fullmatch(r"    \w+:.*", token.line.rstrip("\n")) and token.start[1] == 4:
            name = token.string
        elif token.type == tokenize.COMMENT and name and name not in notes:
            notes[name] = token.string.removeprefix("#").strip()
    return notes


# ------------------------------------------------------------------------------------------------ Python


def _python() -> str:
    names = [name for name in mimetic.__all__ if name != "__version__"]
    errors = "## Errors\n\n" + as_markdown(records.MimeticError.__doc__)
    return page("Python", "`import mimetic`; each name is loaded when it is first touched.", *map(_name, names), errors)


def _name(name: str) -> str:
    thing = getattr(mimetic, name)
    told = [f"## mimetic.{name}", f"```python\n{_signature(f'mimetic.{name}', thing)}\n```", as_markdown(thing.__doc__)]
    if inspect.isclass(thing):
        told += [_member(name, word, member) for word, member in _members(thing)]
    return "\n\n".join(told)


def _signature(name: str, thing: Callable[..., Any]) -> str:
    """Write a call as one would read it: functions by their names, no quotes around types."""
    signature = re.sub(r"<function <lambda> at 0x[0-9a-f]+>|<factory>", "...", str(inspect.signature(thing)))
    return name + re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", signature).replace("'", "")


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Give the public methods and properties that a class says something of, its own and not its parents'."""
    for word, member in vars(kind).items():
        inner = member.fget if isinstance(member, property) else getattr(member, "func", member)
        inner = getattr(inner, "__func__", inner)
        if not word.startswith("_") and inspect.isfunction(inner):
            yield word, inner


def _member(name: str, word: str, member: Callable[..., Any]) -> str:
    return f"### {name}.{word}\n\n```python\n{_signature(word, member)}\n```\n\n{as_markdown(member.__doc__)}"


def _formats() -> str:
    intro = (
        "What is read and written, and where. Nothing is pickled: JSON, safetensors, Arrow; CSV where others read it."
    )
    parts = [
        f"## {title}\n\n{as_markdown(import_module(f'mimetic.{name}').__doc__)}" for title, name in FORMATS.items()
    ]
    return page("File formats", intro, *parts)


def _modules() -> str:
    parts = []
    for path in sorted(SOURCE.rglob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        name = ".".join(("mimetic", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        parts.append([f"`{name}`", doc.partition("\n\n")[0].replace("``", "`")])
    return page(
        "Modules",
        as_markdown(mimetic.__doc__),
        "## Each of them",
        table(["module", "what goes in, what comes out"], parts),
    )


_PAGES: dict[str, Callable[[], str]] = {
    "index.md": _index,
    "commands.md": commands_page,
    "python.md": _python,
    "extractors.md": _extractors,
    "detectors.md": lambda: _entries(
        "Detectors", DETECTORS, "Who finds the face: `+detector=NAME` of an extractor that sees faces."
    ),
    "encoders.md": lambda: _entries(
        "Encoders",
        ENCODERS,
        "A track of `(time, dim)` becomes one vector; in batches, `(clip, time, dim)` becomes `(clip, out_dim)`.",
    ),
    "fusions.md": lambda: _entries(
        "Fusions", FUSIONS, "One vector a modality, `(clip, dim)` each, becomes `(clip, target)` scores."
    ),
    "datasets.md": lambda: _entries("Data sets", DATASETS, "The first that recognises a path opens it."),
    "recipes.md": _recipes,
    "settings.md": _settings,
    "formats.md": _formats,
    "modules.md": _modules,
}


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
