"""Many systems against one: finished runs in, paired differences and what remains of them after so many looks, out.

Every further comparison is one more chance to be fooled: the p of all of them are corrected together (Holm), and the
verdict rests on what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mimetic.evaluation import compare_runs, stacked, systems
from mimetic.evidence.intervals import Comparison, holm
from mimetic.records import Json, UnknownName, UsageError
from mimetic.runs import Run
from mimetic.scores import mean_pearson
from mimetic.sharing import Grouping

AGAINST = ("first", "best")
"""Whom all others are compared with: the first that is given, or the one with the best score on these clips."""

LEVEL = 0.05
"""Probability of claiming any difference where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """One system against the reference: reference minus it; ``corrected`` is its p among all that were asked."""

    name: str
    comparison: Comparison
    corrected: float

    @property
    def verdict(self) -> str:
        """Which one is better, in words; neither, where the corrected p leaves that open."""
        if not self.corrected <= LEVEL:
            return f"no difference can be told at n = {self.comparison.clips:,}"
        return self.comparison.verdict.replace("first", "the reference").replace("second", self.name)

    def as_json(self) -> Json:
        """Give the contest as ``--json`` prints it."""
        return {"run": self.name, **self.comparison.as_json(), "corrected": self.corrected, "verdict": self.verdict}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """A reference and all that were compared with it, in the order given."""

    reference: str
    score: float
    contests: tuple[Contest, ...]

    def as_json(self) -> Json:
        """Give the ranking as ``--json`` prints it."""
        reference = {"run": self.reference, "mean_pearson": self.score}
        return {"reference": reference, "against": [contest.as_json() for contest in self.contests]}


def named_systems(given: Sequence[tuple[str, Sequence[Run]]]) -> list[tuple[str, list[Run]]]:
    """Give each system with its name: what it was given as, or its folder where that holds several."""
    found: list[tuple[str, list[Run]]] = []
    for name, runs in given:
        groups = systems(runs)
        found += [(name if len(groups) == 1 else str(group[0].path.parent), group) for group in groups]
    return found


def rank(
    given: Sequence[tuple[str, Sequence[Run]]],
    *,
    against: str = "first",
    part: str = "valid",
    groups: Grouping | None = None,
    resamples: int = 10_000,
) -> Ranking:
    """Compare all systems with one of them, on the same clips.

    Raises
    ------
    UnknownName
        for an ``against`` that is not in ``AGAINST``.
    UsageError
        for fewer than two systems.
    BadRun
        if they were not scored on the same clips with the same labels.
    """
    if against not in AGAINST:
        raise UnknownName("reference", against, AGAINST)
    if len(given) < 2:
        raise UsageError("there is nothing to compare with", remedy="Give two systems or more.")
    scores = [_score(runs, part) for _, runs in given]
    place = 0 if against == "first" else int(np.argmax(np.nan_to_num(scores, nan=-2.0)))
    reference, runs = given[place]
    others = [one for number, one in enumerate(given) if number != place]
    found = [compare_runs(runs, other, part=part, groups=groups, resamples=resamples) for _, other in others]
    corrected = holm([comparison.chance for comparison in found]).tolist()
    contests = [
        Contest(name=name, comparison=comparison, corrected=chance)
        for (name, _), comparison, chance in zip(others, found, corrected, strict=True)
    ]
    return Ranking(reference=reference, score=scores[place], contests=tuple(contests))


def _score(runs: Sequence[Run], part: str) -> float:
    outcome, predicted = stacked(runs, part)
    return float(np.mean([mean_pearson(outcome.true, seed) for seed in predicted]))
