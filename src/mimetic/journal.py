"""A training as it goes on: epochs in, one line each in a file that others can follow; gone once the run is there.

::

    OUT/.training/<recipe>.seed-<seed>.jsonl

A run is written whole or not at all, so whoever wants to watch one learn looks here. A line that is cut off is one
that is just being written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mimetic.recipes import Recipe
from mimetic.records import Json

FOLDER = ".training"
SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Underway:
    """A training that is not finished: its epochs so far, and how many seconds ago the last one ended."""

    recipe: str
    seed: int
    epochs: int
    history: tuple[Json, ...]
    age: float


class Journal:
    """Writes down each epoch of the trainings that write their runs to ``out``."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER
        self._written: list[Path] = []

    def note(self, recipe: Recipe, seed: int, line: Json) -> None:
        """Write down an epoch; the first one begins the file anew."""
        path = self._folder / f"{quote(recipe.name, safe='+=,')}.seed-{seed}{SUFFIX}"
        if path not in self._written:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"recipe": recipe.name, "seed": seed, "epochs": recipe.fit.epochs}) + "\n")
            self._written.append(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Remove what was written: the runs are there now, with their whole history."""
        for path in self._written:
            path.unlink(missing_ok=True)
        if self._written and not any(self._folder.iterdir()):
            self._folder.rmdir()


def underway(places: Sequence[Path]) -> list[Underway]:
    """Give the trainings that are going on, or were stopped, in some folders of runs."""
    paths = [path for place in places for path in sorted((place / FOLDER).glob(f"*{SUFFIX}"))]
    return [found for path in paths if (found := _read(path)) is not None]


def _read(path: Path) -> Underway | None:
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
        age = max(0.0, time.time() - path.stat().st_mtime)
        head, *history = [dict(json.loads(line)) for line in lines if line.endswith("\n")]
        recipe, seed, epochs = str(head["recipe"]), int(head["seed"]), int(head["epochs"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # it has just been finished, or is no journal
        return None
    return Underway(recipe=recipe, seed=seed, epochs=epochs, history=tuple(history), age=age)
