"""Commands that use a run: on clips, for the challenge; and those that show what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mimetic.commands.arguments import (
    FELL_SHORT,
    Accept,
    AsJson,
    Data,
    Device,
    Ids,
    RunFolder,
    StoreFolder,
    WordsFile,
    Workers,
    into,
)
from mimetic.records import UsageError

if TYPE_CHECKING:
    from mimetic.ledger import Ledger


def demo(
    out: Annotated[Path, into("Where everything goes.")] = Path("mimetic-demo"),
    size: Annotated[str, typer.Option(help="full (420 clips) or small (48).")] = "full",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Run everything on clips it makes itself.

    Data, features, training, scores, report and submission; about five minutes on two cores.
    """
    from mimetic import console, progress
    from mimetic.demonstration import CAVEAT, demonstrate
    from mimetic.demonstration import as_json as to_json

    with progress.bars() as bars:
        done = demonstrate(out, size=size, workers=workers, counter=bars.counter)
    if as_json:
        console.print_json(to_json(done))
        return
    modalities = [*done.modalities, "all four"]
    console.print_evaluations([*done.singles, done.fusion], modalities)
    difference = done.difference
    console.print_lines(
        "",
        f"{done.fusion.recipe} minus {done.best_single}: {console.figure(difference.difference, sign=True)}"
        f" ({console.between(difference, sign=True)})",
        CAVEAT,
        "",
        f"report      {done.report}",
        f"submission  {done.submission}",
        f"run         {done.run}",
        f"next        mimetic predict {done.run} CLIP...",
    )


def list_(
    kind: Annotated[str, typer.Argument(help="datasets, extractors, detectors, encoders, fusions or recipes.")],
    as_json: AsJson = False,
) -> None:
    """Print a table: what there is to choose from."""
    from mimetic import console, listings

    rows = listings.rows(kind)
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(*listings.as_table(rows))


def predict(
    run: RunFolder,
    clips: Annotated[
        list[Path] | None, typer.Argument(metavar="CLIP...", help="Media files or folders.", show_default=False)
    ] = None,
    words: WordsFile = None,
    explained: Annotated[bool, typer.Option("--explain", help="Say what each modality adds to each score.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Score the last 4 s every half second, of camera and microphone or a file.")
    ] = False,
    camera: Annotated[str, typer.Option(metavar="FORMAT:NAME", help="Such as v4l2:/dev/video0, or none.")] = "",
    microphone: Annotated[str, typer.Option(metavar="FORMAT:NAME", help="Such as alsa:default, or none.")] = "",
    device: Device = "auto",
    accept: Accept = "",
    as_json: AsJson = False,
) -> None:
    """Score clips: a number for each target, or the reason why not."""
    if live:
        _predict_live(run, clips or [], camera, microphone, device, accept, as_json=as_json)
        return
    if not clips:
        raise UsageError("there is no clip to score", remedy="Give clips, or --live for camera and microphone.")
    from mimetic import calls, console, progress
    from mimetic.prediction import as_clips, explain, margins_of, read, scores_of
    from mimetic.runs import Run

    opened, asked = Run(run), calls.worded_clips(as_clips(clips), words)
    with progress.bars() as bars:
        reading = read(opened, asked, device=device, accepted=calls.names_in(accept), progress=bars.counter("scoring"))
    scores = scores_of(opened, reading)
    added = explain(opened, reading) if explained else None
    rows = calls.scored(reading.clips, scores, opened.recipe.modalities, added)
    if as_json:
        console.print_json(rows)
    else:
        console.print_scores(rows, scores.targets)
        margins = margins_of(opened)
        told = None if margins is None else f"{margins.level:.0%} intervals (--json) are from {margins.source}"
        console.print_lines(opened.note or None, told)
    if any(scores.errors):
        raise typer.Exit(FELL_SHORT)


def _predict_live(
    run: Path, clips: Sequence[Path], camera: str, microphone: str, device: str, accept: str, *, as_json: bool
) -> None:
    from mimetic import calls
    from mimetic.commands.watching import Asked, watch_live
    from mimetic.runs import Run

    if len(clips) > 1:
        raise UsageError("one file can be played at a time", remedy="Give one, or none for camera and microphone.")
    asked = Asked(file=clips[0] if clips else None, camera=camera, microphone=microphone)
    watch_live(Run(run), asked, device=device, accepted=calls.names_in(accept), as_json=as_json)


def submit(
    run: RunFolder,
    data: Data,
    out: Annotated[Path, typer.Option(help="The file.")] = Path("submission.csv"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Device = "auto",
    accept: Accept = "",
    ids: Ids = "padded",
    as_json: AsJson = False,
) -> None:
    """Write the challenge's file, and check it. Which run it is from is noted beside it."""
    from mimetic import calls, progress
    from mimetic.datasets import open_dataset
    from mimetic.extraction import extract as run_extraction
    from mimetic.ledger import Ledger
    from mimetic.prediction import predict_dataset
    from mimetic.runs import Run
    from mimetic.submission import check_submission, write_submission

    opened, dataset = Run(run), calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    with progress.bars() as bars:
        run_extraction(
            dataset.clips,
            opened.features,
            place,
            workers=workers,
            device=device,
            accepted=calls.names_in(accept),
            progress=bars.counter("extracting features"),
        )
    path, ledger = write_submission(predict_dataset(opened, dataset, place), dataset, out, ids=ids), Ledger(out.parent)
    ledger.record(
        path,
        run=opened.path,
        recipe=opened.recipe.name,
        split=opened.recipe.split,
        seed=opened.seed,
        data=opened.data,
    )
    _tell_faults(path, check_submission(path, dataset, ids=ids), ledger, as_json=as_json)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A submission.", show_default=False)],
    data: Data,
    ids: Ids = "padded",
    sent: Annotated[bool, typer.Option("--sent", help="It was sent: count it as one of the five tries.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for all that would spoil a submission, and say which run it is from."""
    from mimetic.datasets import open_dataset
    from mimetic.ledger import Ledger
    from mimetic.submission import check_submission

    if not file.is_file():
        raise UsageError(f"there is no {file}", remedy="`mimetic submit` writes one.")
    faults, ledger = check_submission(file, open_dataset(data), ids=ids), Ledger(file.parent)
    if sent:
        ledger.send(file)
    _tell_faults(file, faults, ledger, as_json=as_json)


def _tell_faults(file: Path, faults: Sequence[str], ledger: Ledger, *, as_json: bool) -> None:
    from dataclasses import asdict

    from mimetic import console

    origin = ledger.origin(file)
    if as_json:
        told = {"file": str(file), "good": not faults, "faults": list(faults)}
        console.print_json({**told, "origin": origin and asdict(origin), "tries_left": ledger.tries_left})
    else:
        console.print_lines(*(faults or [f"{file} is good"]))
        console.print_lines(f"from {origin.run}" if origin else "not known here: no run of it is on record")
        console.print_lines(f"{ledger.tries_left} tries left" if ledger.sent else None)
    if faults:
        raise typer.Exit(FELL_SHORT)
