"""Runs become one HTML page, plots inside: no script, no font, nothing that is fetched.

In: finished runs on one data set, any number of recipes and seeds. Out: one file that says how well each system does
on the validation clips, how far that can be trusted, where it fails, and how to make it again. The same runs give the
same bytes.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from mimetic import panels
from mimetic.evaluation import Evaluation, compare_runs, evaluate, systems
from mimetic.evidence.intervals import Comparison
from mimetic.plots import number, tick_label
from mimetic.recipes import RECIPES, Recipe, stage_one
from mimetic.records import MODALITIES, BadRun
from mimetic.runs import NETWORK, STACK, Outcome, Run
from mimetic.store import write_atomically

PART = "valid"
"""The clips that the page is about."""

SWITCH = 0.68
"""Share of the heat map's scale above which a cell's number changes colour: it fits the colours of page.css."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """Runs of one recipe that differ by their seed, and their scores.

    ``name`` is its recipe's, or its folder's where several have that one. ``versus`` compares it with ``best``, the
    best single modality on the same clips; both are ``None`` where there is none, or it is the system itself.
    """

    name: str
    runs: tuple[Run, ...]
    scores: Evaluation
    best: System | None = None
    versus: Comparison | None = None

    @property
    def recipe(self) -> Recipe:
        """What all of its runs were made from."""
        return self.runs[0].recipe

    @property
    def modalities(self) -> tuple[str, ...]:
        """Its modalities, as one reads them."""
        return tuple(modality.capitalize() for modality in self.recipe.modalities)

    @property
    def single(self) -> bool:
        """Whether it is one modality alone."""
        return len(self.recipe.parts) == 1

    @property
    def split(self) -> str:
        """The fingerprint of its split: systems that share it were scored on the same clips."""
        return str(self.runs[0].config["split"]["fingerprint"])

    @property
    def parameters(self) -> int:
        """How many numbers it learns."""
        return sum(self.runs[0].config["parameters"].values())

    @property
    def mean(self) -> float:
        """Its mean Pearson, to rank by: an undefined one is worse than any."""
        return float(np.nan_to_num(self.scores.mean_pearson.value, nan=-2.0))

    @property
    def verdict(self) -> str:
        """Say in words how it compares with the best single modality."""
        if self.versus is None or self.best is None:
            return ""
        who, better, _ = self.versus.verdict.partition(" is better")
        return f"{(self if who == 'first' else self.best).name}{better}" if better else who

    @property
    def outcome(self) -> Outcome:
        """The validation clips as it scores them: the mean over its seeds."""
        outcomes = [run.outcome.part(PART) for run in self.runs]
        return replace(outcomes[0], predicted=np.mean([outcome.predicted for outcome in outcomes], axis=0))

    @property
    def command(self) -> str:
        """The line that trains it again."""
        if self.runs[0].kind == STACK:
            return "mimetic stack DATA RUN..."
        name, settings = self.recipe.name, _settings(self.recipe)
        known = settings is not None or self.runs[0].kind != NETWORK
        words = ["mimetic", "train", "DATA", name if known else f"{name}.toml"]
        words += [word for setting in settings or () for word in ("--set", setting)]
        return shlex.join([*words, "--seeds", ",".join(str(run.seed) for run in self.runs)])


def write_report(
    runs: Sequence[Run], path: Path, *, title: str | None = None, note: str | None = None, resamples: int = 10_000
) -> Path:
    """Write the page of some runs, and give its path; ``note`` (or what their data set says) stands at its head.

    Raises
    ------
    BadRun
        if there is no run, the runs are not of one data set, or it has no labelled validation clips.
    """
    found = score_systems(runs, resamples=resamples)
    page = _environment().get_template("report.html.j2")
    content = page.render(
        title=title or f"{_headline(found).name} on {runs[0].data}", note=note or runs[0].note, **_page(found)
    )
    write_atomically(path, content.encode())
    return path


# --------------------------------------------------------------------------------------------- systems


def score_systems(runs: Sequence[Run], *, resamples: int = 10_000) -> list[System]:
    """Score every system, and compare it with the best single modality on the same clips.

    Single modalities come first, in the field's order, then fusions, smaller ones first. A run given twice counts once.

    Raises
    ------
    BadRun
        as ``write_report``.
    """
    once = list({run.signature: run for run in runs}.values())
    if len({run.config["data"]["fingerprint"] for run in once}) != 1:
        told = ", ".join(sorted({run.data for run in once})) or "none"
        raise BadRun(f"a report is about one data set, and these runs are of: {told}", remedy="Give the runs of one.")
    groups = systems(once)
    scored = [
        System(name=name, runs=tuple(group), scores=evaluate(group, part=PART, resamples=resamples))
        for name, group in zip(_told_apart(groups), groups, strict=True)
    ]
    return sorted((_compared(system, scored, resamples) for system in scored), key=_order)


def _told_apart(groups: Sequence[Sequence[Run]]) -> list[str]:
    names = [group[0].recipe.name for group in groups]
    return [
        name if names.count(name) == 1 else f"{name}-{group[0].system[:8]}"
        for name, group in zip(names, groups, strict=True)
    ]


def _compared(system: System, scored: Sequence[System], resamples: int) -> System:
    singles = [other for other in scored if other.single and other.split == system.split]
    best = max(singles, key=lambda other: other.mean, default=system)
    if best is system:
        return system
    versus = compare_runs(system.runs, best.runs, part=PART, resamples=resamples)
    return replace(system, best=best, versus=versus)


def _order(system: System) -> tuple[int, list[int], float]:
    places = [MODALITIES.index(m) if m in MODALITIES else len(MODALITIES) for m in system.recipe.modalities]
    return len(places), places, -system.mean


def _headline(found: Sequence[System]) -> System:
    """Choose the system that the page is about: most modalities, then the best score."""
    return max(found, key=lambda system: (len(system.recipe.parts), system.mean))


def _short_names(found: Sequence[System]) -> list[str]:
    """Name systems in figures: by the modality where it tells one from the others, else by their name."""
    labels = [system.modalities[0] if system.single else system.name for system in found]
    return [label if labels.count(label) == 1 else system.name for label, system in zip(labels, found, strict=True)]


# ------------------------------------------------------------------------------------------- the page


def _page(found: list[System]) -> dict[str, Any]:
    """Give all that the template prints."""
    head = _headline(found)
    axis = panels.axis_of([system.scores.mean_pearson for system in found])
    recipes = [recipe.content for recipe in stage_one(head.recipe)]
    alike = [system for system in found if system.split == head.split]
    outcome = head.outcome
    family = [*(system for system in alike if system is not head and system.recipe.content in recipes), head]
    return {
        "head": head,
        "systems": found,
        "axis": axis,
        "ticks": [float(tick) for tick in MaxNLocator(3).tick_values(*axis) if axis[0] <= tick <= axis[1]],
        "warmest": _warmest(found),
        "switch": SWITCH,
        "targets": head.runs[0].targets,
        "parts": len(family) - 1,
        "beside": panels.beside(_short_names(family), [system.scores for system in family]),
        "labels": panels.labels(head.runs[0]),
        "truth": panels.truth(outcome, head.scores),
        "learning": panels.learning({system.name: system.runs for system in found}),
        "worst": panels.worst(outcome, head.runs[0].targets, head.modalities),
        "missing": panels.missing([system.runs[0] for system in alike if system is not head] + [head.runs[0]]),
    }


def _warmest(found: Sequence[System]) -> float:
    """Give the upper end of the heat map's scale: the largest score on it, in tenths, upwards."""
    scores = [score.pearson.value for system in found for score in system.scores.targets.values()]
    return max(0.1, float(np.ceil(10 * np.nanmax([0.0, *scores]) - 1e-9)) / 10)


def _settings(recipe: Recipe) -> list[str] | None:
    """Give the settings that turn the table's recipe of this name into this one, as ``--set`` takes them.

    ``None`` where there is no such recipe, or settings do not reach that far.
    """
    if recipe.name not in RECIPES:
        return None
    changes = list(_changes(RECIPES[recipe.name].content, recipe.content))
    if any(isinstance(value, dict | list) for _, value in changes):
        return None
    return [f"{name}={json.dumps(value)}" for name, value in changes]


def _changes(base: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Walk two contents and yield what differs: a leaf, or the whole of what has lost or gained a place."""
    if isinstance(base, list) and isinstance(now, list) and len(base) == len(now):
        base, now = dict(enumerate(base)), dict(enumerate(now))
    if isinstance(base, dict) and isinstance(now, dict) and base.keys() == now.keys():
        for key in now:
            yield from _changes(base[key], now[key], f"{name}.{key}".lstrip("."))
    elif base != now:
        yield name, now


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mimetic"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=number, tick_label=tick_label, signed=_signed, versions=_versions, code=_code, breakable=_breakable
    )
    return environment


def _signed(value: float) -> str:
    """Write a difference: a positive one with its sign."""
    return ("+" if value > 0 else "") + number(value)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _breakable(name: str) -> Markup:
    """Let a narrow column break a recipe's name behind its dots."""
    return escape(name).replace(".", Markup(".<wbr>"))


def _code(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)
