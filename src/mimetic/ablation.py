"""What helps: a recipe in, each of its choices switched alone, and what that changes, with intervals, out.

Each variant is trained with the same seeds, and compared with the recipe on the same clips; the p of all of them are
corrected together (Holm). Runs are found by their signatures, so that what was stopped goes on where it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimetic.comparing import LEVEL
from mimetic.evaluation import compare_runs, stacked
from mimetic.evidence.intervals import Comparison, holm
from mimetic.recipes import Recipe
from mimetic.records import Json, UsageError, find
from mimetic.runs import Run
from mimetic.scores import mean_pearson
from mimetic.sharing import Grouping
from mimetic.store import write_atomically
from mimetic.switching import CHOICES, switched, told_change
from mimetic.training import Watch, train_on
from mimetic.training.material import Shelf


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """One choice switched: the variant minus the recipe; ``corrected`` is its p among all that were tried."""

    choice: str
    about: str
    change: str
    score: float
    comparison: Comparison
    corrected: float

    @property
    def verdict(self) -> str:
        """What switching it does, in words; that nothing can be told, where the corrected p leaves that open."""
        if not self.corrected <= LEVEL:
            return f"no difference can be told at n = {self.comparison.clips:,}"
        return "switching it helps" if self.comparison.difference > 0 else "switching it harms"

    def as_json(self) -> Json:
        """Give the switch as ``--json`` prints it."""
        told = {"choice": self.choice, "about": self.about, "change": self.change, "mean_pearson": _known(self.score)}
        return {**told, **self.comparison.as_json(), "corrected": _known(self.corrected), "verdict": self.verdict}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """A recipe's score, what each choice switched alone makes of it, and why others were not tried."""

    recipe: str
    data: str
    part: str
    seeds: tuple[int, ...]
    score: float
    switches: tuple[Switch, ...]
    passed_over: Mapping[str, str]
    note: str = ""

    def as_json(self) -> Json:
        """Give the ablation as ``--json`` prints it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "part": self.part,
            "seeds": list(self.seeds),
            "note": self.note,
            "mean_pearson": _known(self.score),
            "switches": [switch.as_json() for switch in self.switches],
            "passed_over": dict(self.passed_over),
        }


def variants(recipe: Recipe, names: Sequence[str]) -> tuple[dict[str, Recipe], dict[str, str]]:
    """Give the recipe with each choice switched; and of those that do not apply, why not."""
    found: dict[str, Recipe] = {}
    passed_over: dict[str, str] = {}
    for name in names or CHOICES:
        find(CHOICES, name, "choice")
        try:
            found[name] = switched(recipe, name)
        except UsageError as error:
            passed_over[name] = error.message
    return found, passed_over


def ablate(
    shelf: Shelf,
    recipe: Recipe,
    out: Path,
    *,
    seeds: Sequence[int],
    names: Sequence[str] = (),
    part: str = "valid",
    groups: Grouping | None = None,
    device: str = "auto",
    watch: Watch = lambda _recipe, _seed, _line: None,
    resamples: int = 10_000,
) -> Ablation:
    """Train a recipe and its variants, and compare each variant with it.

    Raises
    ------
    UnknownName
        for a choice that there is not.
    UsageError
        if no choice applies.
    """
    found, passed_over = variants(recipe, names)
    if not found:
        raise UsageError(f"no choice applies to {recipe.name}", remedy=next(iter(passed_over.values()), ""))

    def trained(one: Recipe) -> list[Run]:
        return [train_on(shelf, one, out, seed=seed, device=device, watch=watch) for seed in seeds]

    base = trained(recipe)
    runs = {name: trained(variant) for name, variant in found.items()}
    told = {name: compare_runs(of, base, part=part, groups=groups, resamples=resamples) for name, of in runs.items()}
    corrected = holm([comparison.chance for comparison in told.values()]).tolist()
    switches = [
        Switch(
            choice=name,
            about=CHOICES[name].about,
            change=told_change(recipe, found[name]),
            score=_score(runs[name], part),
            comparison=comparison,
            corrected=chance,
        )
        for (name, comparison), chance in zip(told.items(), corrected, strict=True)
    ]
    return Ablation(
        recipe=recipe.name,
        data=base[0].data,
        part=part,
        seeds=tuple(seeds),
        score=_score(base, part),
        switches=tuple(switches),
        passed_over=passed_over,
        note=base[0].note,
    )


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _score(runs: Sequence[Run], part: str) -> float:
    outcome, predicted = stacked(runs, part)
    return sum(mean_pearson(outcome.true, seed) for seed in predicted) / len(predicted)


Cells = Sequence[Sequence[object]]


def write_ablation(found: Ablation, cells: Cells, columns: Sequence[str], out: Path) -> None:
    """Write the table into a folder as JSON, as Markdown and as plain text."""
    write_atomically(out / "ablation.json", (json.dumps(found.as_json(), indent=1, allow_nan=False) + "\n").encode())
    write_atomically(out / "ablation.md", "\n".join(_markdown(found, cells, columns)).encode())
    write_atomically(out / "ablation.txt", "\n".join(_plain(found, [columns, *cells])).encode())


def _heading(found: Ablation) -> Iterator[str]:
    seeds = ", ".join(map(str, found.seeds))
    yield f"{found.recipe} on {found.data}: each choice switched alone"
    yield ""
    yield f"Mean Pearson {found.score:.4f} on {found.part}; seeds {seeds}. Variant minus recipe, paired over clips,"
    yield "95 % intervals; p after Holm's correction for all rows."
    yield from ["", found.note] if found.note else []
    yield ""


def _markdown(found: Ablation, cells: Cells, columns: Sequence[str]) -> Iterator[str]:
    first, *rest = _heading(found)
    yield from (f"# {first}", *rest)
    for row in (columns, ["---"] * len(columns), *cells):
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    yield from _untried(found)


def _plain(found: Ablation, rows: Cells) -> Iterator[str]:
    yield from _heading(found)
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from _untried(found)


def _untried(found: Ablation) -> Iterator[str]:
    if found.passed_over:
        yield from ("", "Not tried: " + "; ".join(found.passed_over.values()) + ".")
    yield ""
