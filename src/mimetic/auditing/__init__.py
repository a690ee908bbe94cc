"""What is wrong with a data set, before anybody trains on it.

In goes a ``Dataset``; out comes an ``Audit``: findings with a severity, the clips they are about and what to do.
``findings.CHECKS`` lists what is looked for. Each clip is inspected in a worker process, so that one that takes its
decoder down is a finding, not the end; then the groups of checks below look at what has come together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mimetic.auditing.columns import check_columns, columns_about
from mimetic.auditing.files import check_files
from mimetic.auditing.findings import CHECKS, Audit, Finding, Shift, ordered
from mimetic.auditing.inspection import LIMIT, Inspector, has_detector, inspect_all
from mimetic.auditing.labels import check_labels
from mimetic.auditing.material import Material
from mimetic.auditing.shift import FEWEST, shifts_of, told
from mimetic.auditing.texts import check_texts
from mimetic.parallel import processors
from mimetic.records import Dataset
from mimetic.sharing import PEOPLE

GROUPS: dict[str, Callable[[Material], Iterator[Finding]]] = {
    "files": check_files,
    "words": check_texts,
    "labels": check_labels,
    "columns": check_columns,
}
"""The groups of checks, in the order in which they look."""

DETECTOR = "mediapipe"


def audit(
    dataset: Dataset,
    *,
    quick: bool = False,
    faces: bool = True,
    workers: int | None = None,
    limit: float = LIMIT,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Audit:
    """Look for everything that is known to go wrong with such data.

    Parameters
    ----------
    quick
        read headers and packets alone: some milliseconds a clip, but silence, faces and damage inside the packets
        go unseen.
    faces
        count faces, where the extra ``face`` is installed.
    workers
        processes; as many as there are processors if not told, 0 for this one.
    limit
        processor seconds that one clip may take; what takes more is a finding.
    progress
        called with ``(clips done, clips)``.
    """
    counted = faces and not quick and has_detector()
    make = Inspector(decode=not quick, detector=DETECTOR if counted else None)
    crew = processors() if workers is None else workers
    facts = inspect_all(make, dataset.clips, workers=crew, limit=limit, progress=progress)
    material = Material(dataset=dataset, facts=facts)
    shifts = shifts_of(material)
    findings = [finding for check in GROUPS.values() for finding in check(material)]
    return Audit(
        data=dataset.name,
        clips=len(dataset.clips),
        findings=ordered([*findings, *told(shifts, material)]),
        unchecked={**dict(_unchecked(material, quick=quick, counted=counted)), **dict(_untested(material, shifts))},
        seconds=sum(fact.seconds for fact in facts),
        shifts=tuple(shifts),
    )


def _unchecked(material: Material, *, quick: bool, counted: bool) -> Iterator[tuple[str, str]]:
    """Yield the checks that could not be made, and why."""
    if quick:
        yield from ((check, "nothing was decoded") for check in ("damaged", "silent"))
    if not counted:
        why = "no faces were counted: that takes decoded pictures and the extra 'face'"
        yield from ((check, why) for check in ("no face", "several faces"))
    if not any(fact.words for fact in material.facts):
        why = "no clip has words (mimetic transcribe writes them down)"
        yield from ((check, why) for check in ("empty words", "repeated script", "script across parts"))
    if not material.labelled:
        yield from ((check, "there are no labels") for check in CHECKS if check.startswith("label"))


def _untested(material: Material, shifts: Sequence[Shift]) -> Iterator[tuple[str, str]]:
    """Yield the comparisons of parts that could not be made, and why."""
    if len(material.parts) < 2:
        why = "the clips are not in parts such as train and valid"
        checks = ("duplicate across parts", "script across parts", "person across parts", "label scale", "shift")
        yield from ((check, why) for check in checks)
        return
    if not columns_about(material, PEOPLE):
        yield "person across parts", f"no column says who is in a clip (such as {PEOPLE[0]} or {PEOPLE[2]})"
    if not shifts:
        yield "shift", f"training and validation need {FEWEST} clips (or people) each"
