"""Commands that make data sets and bring features into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mimetic.commands.arguments import (
    FELL_SHORT,
    Accept,
    AsJson,
    Data,
    DataOrFiles,
    Device,
    StoreFolder,
    WordsFile,
    Workers,
    into,
)
from mimetic.records import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mimetic.extraction import Summary


def make(
    kind: Annotated[str, typer.Argument(help="demo or simulated.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to.", show_default=False)],
    size: Annotated[str, typer.Option(help="full or small; simulated: full, lite or small.")] = "full",
    seed: Annotated[int, typer.Option(help="Other clips for another seed.")] = 0,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make a data set in the challenge's own layout."""
    from mimetic import console, progress
    from mimetic.datasets import DATASETS, open_dataset
    from mimetic.records import Entry

    makers = {name: entry.make for name, entry in DATASETS.items() if entry.make}
    if kind not in makers:
        raise UnknownName("data set to make", kind, makers)
    with progress.bars() as bars:
        Entry(target=makers[kind], about="").load()(
            folder, size=size, seed=seed, workers=workers, progress=bars.counter("making clips")
        )
    clips = len(open_dataset(folder).clips)
    if as_json:
        console.print_json({"data": str(folder), "clips": clips})
    else:
        console.print_lines(
            f"{clips:,} clips in {folder}", f"next  mimetic list recipes; mimetic train {folder} RECIPE"
        )


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of clips with a CSV.", show_default=False)],
    table: Annotated[Path | None, typer.Option(help="The CSV with the labels, where there are several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a folder of clips and a CSV, and write DIR/dataset.toml: which column is what. Then DIR is a data set."""
    from mimetic import console
    from mimetic.datasets import open_dataset
    from mimetic.introducing import write_introduction

    path, found = write_introduction(folder, table)
    dataset = open_dataset(folder)
    if as_json:
        columns = {kind: {"column": name, "why": why} for kind, (name, why) in found.columns.items()}
        told = {"description": str(path), "columns": columns, "targets": list(found.targets), "left": dict(found.left)}
        console.print_json({**told, "clips": len(dataset.clips)})
        return
    rows = [(kind, name, why) for kind, (name, why) in found.columns.items()]
    rows += [("target", name, "a column of numbers") for name in found.targets]
    rows += [("", name, why) for name, why in found.left.items()]
    console.print_table(["taken for", "column", "why"], rows, title=f"{path}: {len(dataset.clips):,} clips")
    cut = " --set split=1/5:group" if "group" in found.columns and "part" not in found.columns else ""
    console.print_lines(f"next  mimetic audit {folder}; mimetic train {folder} auto{cut}")


def extract(
    data: DataOrFiles,
    names: Annotated[str, typer.Option("--with", help="Extractors: NAME,NAME+option=value.")] = "",
    models: Annotated[
        list[str], typer.Option("--model", help="Another checkpoint: FOLDER or ID; of several extractors NAME=FOLDER.")
    ] = [],  # noqa: B006 - typer reads it
    precision: Annotated[str, typer.Option(help="Of pretrained models: fp32, bf16, fp16 or int8.")] = "fp32",
    device: Device = "auto",
    accept: Accept = "",
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    limit: Annotated[float, typer.Option(help="Processor seconds that reading a clip may take.")] = 900.0,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    shard: Annotated[str, typer.Option(metavar="I/N", help="Do the I-th of N shares: one a machine.")] = "1/1",
    engine: Annotated[str, typer.Option(help="local, or ray: the cluster that this machine is in.")] = "local",
    backend: Annotated[
        str | None, typer.Option(help="Of models on the CPU: torch, openvino, onnx, or auto: the fastest here.")
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the processor time went.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring features into the store. What is there already is not made again; a stopped job goes on."""
    from mimetic import calls, console, progress
    from mimetic.datasets import open_datasets
    from mimetic.extraction import extract as run_extraction

    wanted, share = calls.wanted_features(names, models, precision), calls.read_share(shard)
    dataset = calls.worded(open_datasets(data), words)
    place = calls.store_of(dataset, store, default=Path("features"))
    with progress.bars() as bars:
        summaries = run_extraction(
            dataset.clips,
            wanted,
            place,
            workers=workers,
            device=device,
            limit=limit,
            retry=retry,
            accepted=calls.names_in(accept),
            share=share,
            engine=engine,
            backend=backend,
            progress=bars.counter("extracting features"),
        )
    short: dict[str, dict[str, list[str]]] = {}
    for key, summary in summaries.items():
        for clip, reason in summary.failures:
            short.setdefault(clip, {}).setdefault(reason, []).append(key)
    if as_json:
        extractors = {key: summary.as_json() for key, summary in summaries.items()}
        console.print_json({"store": str(place.path), "clips": len(dataset.clips), "extractors": extractors})
    else:
        rows = [(k, s.clips, s.frames, f"{s.seconds:.1f}", len(s.failures)) for k, s in summaries.items()]
        console.print_table(["extractor", "clips", "rows", "CPU s", "fell short"], rows, title=f"store {place.path}")
        console.print_lines(*(f"{clip}  {calls.by_reason(reasons)}" for clip, reasons in sorted(short.items())))
        console.print_lines(*(f"{fault}; it was made again" for s in summaries.values() for fault in s.damaged))
        console.print_lines(*(calls.computed_by(key, s.computed) for key, s in summaries.items() if s.computed))
        if profile:
            _print_profile(summaries)
    if short:
        raise typer.Exit(FELL_SHORT)


def _print_profile(summaries: Mapping[str, Summary]) -> None:
    """Say where the processor time of an extraction went."""
    from mimetic import console

    parts = {
        key: (told.decoding, told.seconds - told.decoding - told.computing, told.computing)
        for key, told in summaries.items()
    }
    rows = [(key, *(f"{seconds:.1f}" for seconds in spent)) for key, spent in parts.items()]
    total = sum(told.seconds for told in summaries.values())
    columns = ["CPU s of", "decoding, its share", "its preparation", "its model"]
    console.print_table(columns, rows, title=f"where {total:.1f} CPU s went")


def audit(
    data: DataOrFiles,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page too.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Read headers and packets, decode nothing.")] = False,
    words: WordsFile = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with a data set, before training on it.

    Ends with 1 if something would spoil a training.
    """
    from mimetic import calls, console, progress
    from mimetic.auditing import audit as run_audit
    from mimetic.auditing.page import write_page
    from mimetic.datasets import open_datasets

    dataset = calls.worded(open_datasets(data), words)
    with progress.bars() as bars:
        found = run_audit(dataset, quick=quick, workers=workers, progress=bars.counter("looking at clips"))
    page = write_page(found, dataset, html) if html is not None else None
    if as_json:
        console.print_json(found.as_json())
    else:
        console.print_table(["severity", "check", "found"], found.lines(), title=f"{found.data}: {found.clips} clips")
        console.print_lines(*(f"not looked for: {', '.join(names)} ({why})" for why, names in found.not_made().items()))
        console.print_lines(
            "nothing that would spoil a training" if found.good else None, None if page is None else str(page)
        )
    if not found.good:
        raise typer.Exit(FELL_SHORT)


def transcribe(
    data: DataOrFiles,
    out: Annotated[Path, into("A folder: it gets a JSON file a clip.")] = Path("transcripts"),
    backend: Annotated[str, typer.Option(help="transformers or faster-whisper.")] = "transformers",
    model: Annotated[str, typer.Option(help="A Whisper checkpoint: FOLDER or ID.")] = "",
    language: Annotated[str, typer.Option(help="A code, such as en; what is heard if not told.")] = "",
    condition: Annotated[bool, typer.Option("--condition", help="Show the model what was said before.")] = False,
    vad: Annotated[str, typer.Option(help="Who tells where somebody speaks: silero or none.")] = "silero",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    device: Device = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Windows of sound at a time.")] = 8,
    workers: Workers = None,
    again: Annotated[bool, typer.Option("--again", help="Replace what was transcribed otherwise.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write down what is said, with Whisper. A clip without a voice has an empty text; a stopped job goes on."""
    from mimetic import console, progress
    from mimetic.datasets import open_datasets
    from mimetic.transcription import transcribe as run_transcription

    with progress.bars() as bars:
        done = run_transcription(
            open_datasets(data).clips,
            out,
            backend=backend,
            model=model,
            language=language,
            condition=condition,
            vad=vad,
            precision=precision,
            device=device,
            batch=batch,
            workers=workers,
            again=again,
            progress=bars.counter("transcribing"),
        )
    short = sorted([*done.missing, *done.failures])
    if as_json:
        console.print_json({"folder": str(out), **done.as_json()})
    else:
        counts = f"{done.spoken} with words, {done.silent} without a voice, {done.kept} there already"
        console.print_lines(f"{done.clips} clips in {out}: {counts}", *(f"{clip}  {why}" for clip, why in short))
        console.print_lines(f"next  --words {out}")
    if short:
        raise typer.Exit(FELL_SHORT)


def import_(
    data: Data,
    path: Annotated[Path, typer.Argument(help="A folder or zip with a file a clip, or one file.", show_default=False)],
    name: Annotated[
        str, typer.Option("--as", help="Which feature it is: wav2vec2, or own-audio+name=NAME+dim=COLUMNS.")
    ],
    rate: Annotated[float | None, typer.Option(help="Rows a second, where they are not the feature's.")] = None,
    missing: Annotated[
        str, typer.Option(help="Clips that it has nothing of: rows (mark them), none (leave them to extract) or auto.")
    ] = "auto",
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Bring features that others made into the store: pickles, numpy, safetensors, CSV, OpenFace, Py-Feat.

    Joined by clip id alone. Nothing in a file is run.
    """
    from mimetic import calls, console, progress
    from mimetic.datasets import open_dataset
    from mimetic.features import feature
    from mimetic.imports import import_features

    dataset, wanted = open_dataset(data), feature(name)
    place = calls.store_of(dataset, store)
    with progress.bars() as bars:
        done = import_features(
            dataset.clips, path, wanted, place, rate=rate, missing=missing, progress=bars.counter("importing")
        )
    if as_json:
        console.print_json({"store": str(place.path), "feature": wanted.key, **done.as_json()})
    else:
        console.print_lines(
            f"{wanted.key} in {place.path}: {done.clips:,} clips, {done.rows:,} rows",
            calls.some("clips that it has nothing of", done.absent),
            calls.some("names that are no clip's", done.strangers),
            *(f"{clip}  {reason}" for clip, reason in done.failures),
        )
    if done.failures or done.absent or done.strangers:
        raise typer.Exit(FELL_SHORT)
