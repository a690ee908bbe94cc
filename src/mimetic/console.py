"""What people read in a terminal: tables and JSON on stdout, numbers as the field writes them."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mimetic import panels
from mimetic.ablation import Ablation, Switch
from mimetic.comparing import Ranking
from mimetic.evaluation import Evaluation
from mimetic.evidence.intervals import Comparison, Interval
from mimetic.records import Json
from mimetic.slicing import Rescue, Slice, Sliced
from mimetic.stocktaking import Holding
from mimetic.stressing import Stressed

PIPED_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where no terminal says how wide it is."""


def figure(value: float | None, *, sign: bool = False) -> str:
    """Write a correlation as the field does: ``.437``, ``-.013``; ``nan`` where it is undefined.

    >>> figure(0.4373), figure(-0.0134), figure(0.0012, sign=True), figure(10.5)
    ('.437', '-.013', '+.001', '10.500')
    """
    if value is None or math.isnan(value):
        return "nan"
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return re.sub(r"^([+-]?)0\.", r"\1.", text)


def between(interval: Interval | Comparison, *, sign: bool = False) -> str:
    """Write an interval: ``.41 to .46``."""
    return f"{figure(interval.low, sign=sign)} to {figure(interval.high, sign=sign)}"


def print_json(content: Any) -> None:
    """Print one JSON document on stdout; what is undefined is ``null``."""
    sys.stdout.write(json.dumps(finite(content), indent=1, ensure_ascii=False) + "\n")


def finite(content: Any) -> Any:
    """Put null where a number is not defined: JSON has no word for it."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def print_lines(*lines: str | None) -> None:
    """Print plain lines on stdout, as they are: never wrapped, never coloured. ``None`` is passed over."""
    sys.stdout.write("".join(f"{line}\n" for line in lines if line is not None))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table on stdout; a column whose cells are all figures stands to the right."""
    print_lines(title or None)
    table = Table(box=None, pad_edge=False)
    cells = [[str(cell) for cell in row] for row in rows]
    for index, name in enumerate(columns):
        right = bool(cells) and all(_is_figure(row[index]) for row in cells)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else PIPED_WIDTH, highlight=False).print(table)


def print_cells(table: panels.Table) -> None:
    """Print a page's table, without what is drawn."""
    plain = panels.without_drawings(table)
    rows: list[list[str]] = []
    for place, row in enumerate(plain.rows):
        rows += [[f"{table.starts[place]}:", *([""] * (len(row) - 1))]] if place in table.starts else []
        rows.append([panels.text_of(cell) for cell in row])
    print_table(plain.columns, rows, title=table.caption)


def print_holdings(holdings: Sequence[Holding]) -> None:
    """Print one line a feature of a store."""
    rows = [
        (h.feature, f"{h.clips:,}", f"{h.rows:,}", f"{h.bytes / 1e6:,.1f}", f"{h.short:,}", h.made) for h in holdings
    ]
    print_table(["feature", "clips", "rows", "MB", "fell short", "made"], rows)


def _is_figure(text: str) -> bool:
    return text in ("nan", "") or text.replace(",", "").lstrip("+-.").replace(".", "").isdigit()


def print_scores(rows: Sequence[Json], targets: Sequence[str]) -> None:
    """Print clips as ``predict`` gives them: a line each, and one a modality below it where it is told what adds what.

    The lines of a clip sum to its scores; ``nothing`` is what the system says of a clip that lacks everything.
    """
    cells: list[Sequence[object]] = []
    for row in rows:
        missing = "; ".join(f"{name}: {why}" for name, why in row["modalities"].items() if why != "used")
        numbers = [figure(row["scores"][target]) for target in targets] if row["scores"] else [""] * len(targets)
        cells.append((row["clip"], *numbers, row["error"] or missing))
        for name, added in (row.get("contributions") or {}).items():
            told = [figure(added[target], sign=name != "nothing") for target in targets]
            cells.append((f"  {name}", *told, ""))
    print_table(["clip", *targets, "not used"], cells)


def print_evaluations(evaluations: Sequence[Evaluation], modalities: Sequence[str]) -> None:
    """Print one line a system."""
    first = evaluations[0]
    seeds = f"{len(first.seeds)} seeds" if len(first.seeds) > 1 else f"seed {first.seeds[0]}"
    rows = [
        (e.recipe, has, figure(e.mean_pearson.value), between(e.mean_pearson))
        for e, has in zip(evaluations, modalities, strict=True)
    ]
    title = f"{first.data}, {first.part}: {first.clips} clips, {seeds}"
    print_table(["system", "modalities", "mean Pearson", "95 % interval"], rows, title=title)


def print_evaluation(evaluation: Evaluation) -> None:
    """Print one system, a line a target."""
    rows = [
        (
            name,
            figure(s.pearson.value),
            between(s.pearson),
            *map(figure, (s.spearman, s.ccc, s.mae)),
            figure(s.limit.limit) if s.limit else "",
        )
        for name, s in evaluation.targets.items()
    ]
    mean = evaluation.mean_pearson
    limit = "" if math.isnan(evaluation.limit) else figure(evaluation.limit)
    rows.append(("mean", figure(mean.value), between(mean), "", "", "", limit))
    seeds = ", ".join(map(str, evaluation.seeds))
    title = f"{evaluation.recipe} on {evaluation.data}, {evaluation.part}: {evaluation.clips} clips, seeds {seeds}"
    columns = ["target", "Pearson", "95 % interval", "Spearman", "CCC", "MAE", "reachable"]
    shown = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    print_table(columns[:shown], [row[:shown] for row in rows], title=title)


def remarks(evaluation: Evaluation) -> list[str]:
    """Say what has to be said below a system's scores."""
    told = [f"{name} has no score: {reason}" for name, reason in evaluation.undefined.items()]
    if told:
        told.append("so the mean has none: take a split whose clips differ there, or leave the target out")
    drawn = " and ".join(f"{count:,} groups by {name}" for name, count in evaluation.groups.items()) or "clips"
    told.append(f"intervals: bootstrap over {drawn}")
    if len(evaluation.by_seed) > 1 and not math.isnan(evaluation.seed_spread):
        seeds = " ".join(map(figure, evaluation.by_seed))
        told.append(f"seeds, not in the interval: {seeds}; standard deviation {figure(evaluation.seed_spread)}")
    if any(score.limit for score in evaluation.targets.values()):
        told.append("reachable: the Pearson of a system that knew what all possible raters say; the rest is noise")
    warning = f"warning: {evaluation.warning}" if evaluation.warning else ""
    return [line for line in (*told, warning, evaluation.note) if line]


def print_comparison(ranking: Ranking) -> None:
    """Print what came of two systems: the first minus the second."""
    (contest,) = ranking.contests
    comparison = contest.comparison
    if math.isnan(comparison.difference):
        print_lines("no mean Pearson, and so no difference: `mimetic evaluate` says which target has no score, and why")
        return
    print_lines(
        f"{ranking.reference} minus {contest.name}, mean Pearson: {figure(comparison.difference, sign=True)}"
        f" ({between(comparison, sign=True)})",
        f"{comparison.verdict}; the first wins in {comparison.wins:.1%} of resamples",
        _clips_to_tell(comparison) and f"to tell such a difference: {_clips_to_tell(comparison)} clips (power 80 %)",
    )


def print_ranking(ranking: Ranking) -> None:
    """Print what came of many systems, a line for each that met the reference."""
    rows = [
        (
            contest.name,
            figure(contest.comparison.difference, sign=True),
            between(contest.comparison, sign=True),
            f"{contest.comparison.wins:.1%}",
            figure(contest.corrected),
            _clips_to_tell(contest.comparison),
            contest.verdict,
        )
        for contest in ranking.contests
    ]
    title = f"{ranking.reference} ({figure(ranking.score)}) minus each, mean Pearson"
    print_table(
        ["system", "difference", "95 % interval", "wins", "p (Holm)", "clips to tell", "verdict"], rows, title=title
    )


SWITCHED = ("choice", "difference", "95 % interval", "p (Holm)", "verdict", "change")
"""Columns of an ablation's table."""


def switch_cells(switch: Switch) -> tuple[str, ...]:
    """Write one line of an ablation."""
    difference = figure(switch.comparison.difference, sign=True)
    interval = between(switch.comparison, sign=True)
    return switch.choice, difference, interval, figure(switch.corrected), switch.verdict, switch.change


def print_ablation(found: Ablation) -> None:
    """Print a line for each choice that was switched."""
    seeds = ", ".join(map(str, found.seeds))
    title = f"{found.recipe} ({figure(found.score)}) on {found.data}, {found.part}, seeds {seeds}; variant minus it"
    print_table(SWITCHED, [switch_cells(switch) for switch in found.switches], title=title)
    print_lines(*(f"not tried: {reason}" for reason in found.passed_over.values()))
    print_lines(found.note or None)


def print_slices(found: Sequence[Sliced]) -> None:
    """Print a line a slice: its score, and what it is set against all others."""
    rows: list[Sequence[object]] = []
    for sliced in found:
        rows += [(sliced.by, sliced.reason, "", "", "", "", "", "")] if sliced.reason else []
        rows += [(sliced.by, *_slice_cells(one)) for one in sliced.slices]
    columns = ["by", "slice", "clips", "Pearson", "95 % interval", "minus the others", "p (Holm)", "verdict"]
    print_table(columns, rows, title="\nSlices, mean Pearson; gaps are corrected for so many looks")


def _slice_cells(one: Slice) -> tuple[str, ...]:
    gap = "" if one.gap is None else f"{figure(one.gap.difference, sign=True)} ({between(one.gap, sign=True)})"
    chance = "" if one.gap is None else figure(one.corrected)
    score = one.mean_pearson
    told = ("", "") if score is None else (figure(score.value), between(score))
    return (one.name, f"{one.clips:,}", *told, gap, chance, one.verdict)


def print_rescues(path: str, found: Sequence[Rescue]) -> None:
    """Print the clips that one system gets wrong and the other right."""
    rows = [(one.clip, f"{one.alone:.2f}", f"{one.fused:.2f}") for one in found]
    title = f"\nClips that {path} gets wrong and this one right (mean error, in deviations of the labels)"
    print_table(["clip", "its error", "this one's"], rows, title=title)


def print_stressed(stressed: Stressed) -> None:
    """Print a line a stress: the score under it, and what that is less than undisturbed."""
    rows: list[Sequence[object]] = [
        ("undisturbed", figure(stressed.undisturbed.value), between(stressed.undisturbed), "", "", "", "")
    ]
    for loss in stressed.losses:
        change = loss.change
        rows.append(
            (
                loss.name,
                figure(loss.mean_pearson.value),
                between(loss.mean_pearson),
                figure(change.difference, sign=True),
                between(change, sign=True),
                figure(loss.corrected),
                loss.verdict,
            )
        )
    seeds = ", ".join(map(str, stressed.seeds))
    title = f"{stressed.recipe} on {stressed.data}, {stressed.part}: {stressed.clips:,} clips, seeds {seeds}"
    columns = ["stress", "Pearson", "95 % interval", "change", "95 % interval", "p (Holm)", "verdict"]
    print_table(columns, rows, title=f"{title}; stress on {stressed.level}")


def _clips_to_tell(comparison: Comparison) -> str:
    clips = comparison.clips_to_tell()
    return "" if math.isnan(clips) else f"{clips:,.0f}"
