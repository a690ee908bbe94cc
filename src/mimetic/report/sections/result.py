"""The first thing to read: the best system, the best single modality, the difference."""

from __future__ import annotations

from collections.abc import Iterator

from mimetic.panels import Score, Section, Stat, differing, scored
from mimetic.plots import ABSENT, number
from mimetic.report.material import Material
from mimetic.report.systems import FLOOR, System


def section(material: Material) -> Section:
    """Say how good the best system is, and how far that can be trusted."""
    return Section(heading="Result", short="Result", told=list(_told(material)), stats=list(_stats(material)))


def _stats(material: Material) -> Iterator[Stat]:
    head = material.head
    reached = _reached(material, head)
    yield _stat(f"{head.name}, mean Pearson", head, reached)
    if head.best and head.versus:
        yield _stat(f"best single modality, {head.best.modalities[0]}", head.best, _reached(material, head.best))
        difference = differing(head.versus.comparison)
        lines = [_interval(difference)]
        yield Stat(label="difference, paired", value=difference.text, lines=lines, verdict=head.versus.verdict)
    if head.over:
        difference = differing(head.over.comparison)
        label = "above the floor: clip statistics, a ridge"
        yield Stat(label=label, value=difference.text, lines=[_interval(difference)], verdict=head.over.verdict)


def _stat(label: str, system: System, reached: list[str]) -> Stat:
    score = scored(system.scores.mean_pearson)
    return Stat(label=label, value=score.text, lines=[_interval(score), *reached])


def _interval(score: Score) -> str:
    return f"95 % interval {score.interval or f'{ABSENT} to {ABSENT}'}"


def _reached(material: Material, system: System) -> list[str]:
    best = material.ceilings.mean(system.recipe) if material.ceilings else float("nan")
    if not best > 0:
        return []
    return [f"best reachable here {number(best)}"]


def _told(material: Material) -> Iterator[str]:
    head = material.head
    scores, seeds = head.scores, ", ".join(map(str, head.scores.seeds))
    told = f"mean over {len(head.runs)} seeds ({seeds})" if len(head.runs) > 1 else f"one seed ({seeds})"
    yield (
        f"{head.name} ({' + '.join(head.modalities)}) on the {scores.clips:,} validation clips of {scores.data}, split"
        f" {scores.split}, {told}. Intervals are over resampled {material.drawn}; how the seeds differ is not in them."
    )
    yield (
        "The validation clips also chose the epoch of every run, so the scores here flatter every system a little"
        + ("; and of several fusions the best one stands here." if _choices(material) > 1 else ".")
    )
    if not any(system.single for system in material.alike):
        yield "No single modality is among these runs to compare with."
    if not any(system.recipe.name == FLOOR for system in material.systems):
        yield "The line to beat is not among these runs: mimetic train DATA floor draws it, in seconds."
    if scores.warning:
        yield f"Careful: {scores.warning}."
    yield from (f"{name} has no score: {reason}." for name, reason in scores.undefined.items())


def _choices(material: Material) -> int:
    return sum(not system.single for system in material.alike)
