"""What a bench found, as people read it: tables for the terminal, and a page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mimetic.records import Json
from mimetic.store import write_atomically

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""A title, columns, rows."""


def tables(found: Json) -> list[Table]:
    """Give what was found as tables; one without rows is left out."""
    if "workloads" in found:
        return _of_extraction(found)
    all_of = [
        ("ours against the field's ways", _AGAINST, [_against(line) for line in found["results"]]),
        ("ours", _OWN, [_own(line) for line in found["ours"]]),
        ("as work grows", _GROWN, [_grown(line) for line in found["growth"]]),
    ]
    return [table for table in all_of if table[2]]


_AGAINST = (
    *("training: the field's way", "times", "ours", "theirs", "spread", "frames", "peak MB", "load s"),
    *("difference", "target"),
)
_OWN = (
    "training",
    "once, CPU s",
    "an epoch",
    "wall s",
    "clips",
    "frames",
    "computed",
    "peak MB",
    "limit MB",
    "opening s",
)
_GROWN = ("training", "on", "frames", "CPU s, once and an epoch", "us a frame", "ms a clip")

ABOUT = """\
{clips:,} made clips, lengths lognormal with a median of 60 rows of sound, the longest 1,500. The field's ways on
{measured_on} of the training clips, as many short ones as long, one epoch, scaled up; medians of {repeats}, in turns;
spread is (largest - smallest) / median. Same network, same weights: difference is the largest between the scores of 32
clips by both ways. Fusions drop modalities in training, and ours does not compute what is dropped. Frames are those
computed for each that a clip has. What learns nothing (means, deviations) ours computes once; ratios count that and
the first epoch."""


_EXTRACTION = (
    *("extraction", "times", "ours", "theirs", "spread", "limit", "decoding", "share", "conversion", "target"),
)
_DISTANCE = ("extraction", "features", "computed by", "rows", "median cosine", "5th percentile")
_COST = ("what", "seconds of clips", "CPU s", "CPU s a second")


def _of_extraction(found: Json) -> list[Table]:
    grown: list[tuple[str, ...]] = [
        (line["what"], f"{line['seconds']:g}", f"{line['cpu']:.2f}", f"{line['cpu_a_second']:.3f}")
        for line in found["growth"]
    ]
    all_of: list[Table] = [
        ("ours against the field's way", _EXTRACTION, [_extraction(line) for line in found["results"]]),
        ("who computed, and how far from float32", _DISTANCE, [row for line in found["results"] for row in _far(line)]),
        ("as work grows", _COST, grown),
    ]
    return [table for table in all_of if table[2]]


def _extraction(line: Json) -> tuple[str, ...]:
    wide = f"{line['spread']['ours']:.0%}, {line['spread']['theirs']:.0%}"
    target = "" if line["target"] is None else f"{line['target']:g}: {'met' if line['met'] else 'missed'}"
    seconds = (f"{line['limit']:.2f}", f"{line['decoding']:.2f}", f"{line['share']:.0%}", f"{line['conversion']:.0f}")
    return (
        line["name"],
        f"{line['ratio']:.1f}",
        f"{line['ours']:.2f}",
        f"{line['theirs']:.1f}",
        wide,
        *seconds,
        target,
    )


def _far(line: Json) -> list[tuple[str, ...]]:
    rows = []
    for name, told in line["computed"].items():
        far = told.get("distance") or {}
        cosines = [f"{far[each]:.4f}" if far.get(each) is not None else "" for each in ("median", "fifth")]
        rows.append((line["name"], name, f"{told['backend']} {told['version']}", f"{far.get('rows', '')}", *cosines))
    return rows


def _against(line: Json) -> tuple[str, ...]:
    wide = f"{line['spread']['ours']:.0%}, {line['spread']['theirs']:.0%}"
    target = "" if line["target"] is None else f"{line['target']:g}: {'met' if line['met'] else 'missed'}"
    return (
        line["name"],
        f"{line['ratio']:.1f}",
        f"{line['ours']:.2f}",
        f"{line['theirs']:.1f}",
        wide,
        f"{line['computed']:.1f}",
        _megabytes(line["peak"]),
        f"{line['load']:.1f}",
        "" if line["difference"] is None else f"{line['difference']:.0e}",
        target,
    )


def _own(line: Json) -> tuple[str, ...]:
    return (
        line["name"],
        f"{line['once']:.2f}",
        f"{line['cpu']:.2f}",
        f"{line['wall']:.2f}",
        f"{line['clips']:,}",
        f"{line['frames']:,}",
        f"{line['computed']:.3f}",
        _megabytes(line["peak"]),
        _megabytes(line["limit"]),
        f"{line['load']:.2f}",
    )


def _grown(line: Json) -> tuple[str, ...]:
    figures = (f"{line['cpu']:.2f}", f"{line['microseconds_a_frame']:.1f}", f"{line['milliseconds_a_clip']:.2f}")
    return (line["name"], line["what"], f"{line['frames']:,}", *figures)


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 1e6:,.0f}"


def page(found: Json, command: str) -> str:
    """Give the page."""
    what = "extraction" if "workloads" in found else "training"
    lines = [f"# What {what} costs", "", *_preface(found, command)]
    for title, columns, rows in tables(found):
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", _line(columns), _line(["---"] * len(columns))]
        lines += [_line(row) for row in rows]
    return "\n".join([*lines, ""])


def _preface(found: Json, command: str) -> list[str]:
    own = found["machine"]
    here = [
        f"Measured by `{command}` on {own['date']}: {own['processors']} processors ({own['processor']}), load",
        f"{own['load']} at the end, Python {own['python']}, torch {own['torch']}, one thread a measurement.",
        "Processor seconds; each measurement in a process of its own. Peak memory is above the imports.",
    ]
    if "workloads" in found:
        return [*here, "", *_told_of_extraction(found)]
    if not found["results"]:
        return here
    return [*here, "", *ABOUT.format(**found).splitlines()]


def _told_of_extraction(found: Json) -> list[str]:
    loads = [f"{each['name']}: {each['clips']}; {', '.join(each['extractors'])}." for each in found["workloads"]]
    return [
        "From the first clip to the last, of all processes together, with models loaded and warm; the conversion of",
        f"networks, once an extraction, is told beside. Medians of {found['repeats']}, measured in turns; spread is",
        "(largest - smallest) / median. The field's way: every frame a JPEG file, those needed opened one by one,",
        "batches of one clip, a second pass for the sound, torch in float32 as it comes. The limit: the same forward",
        "passes on what lies in memory, and one bare decoding with what is looked at resized; share is that of ours.",
        "Cosines are of rows less each column's mean. Clips are made, weights random.",
        "",
        *loads,
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(found: Json, out: Path, name: str, command: str) -> list[Path]:
    """Write ``NAME.json`` and ``NAME.md``."""
    paths = [out / f"{name}.json", out / f"{name}.md"]
    write_atomically(paths[0], (json.dumps(found, indent=1) + "\n").encode())
    write_atomically(paths[1], page(found, command).encode())
    return paths
