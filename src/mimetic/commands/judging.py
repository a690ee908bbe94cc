"""Commands that say how good a run is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import Accept, AsJson, DataBeside, Device, Groups, Part, StoreFolder, WordsFile
from mimetic.records import UsageError


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of one recipe, or their folder.")],
    part: Part = "valid",
    data: DataBeside = None,
    groups: Groups = "",
    slices: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME|all",
            help="Kinds of clips: columns, length, missing, seen, labels, loudness, confidence.",
        ),
    ] = "",
    beside: Annotated[
        list[Path], typer.Option("--beside", help="A single modality's run: clips it gets wrong, and this one right.")
    ] = [],  # noqa: B006 - typer reads it
    store: StoreFolder = None,
    words: WordsFile = None,
    as_json: AsJson = False,
) -> None:
    """Print a system's scores with 95 % intervals.

    By bootstrap over clips, or over groups of them: --data DATA --groups person. Of several seeds, the mean; how they
    differ stands apart.
    """
    from mimetic import calls, console
    from mimetic.evaluation import evaluate as score
    from mimetic.runs import runs_of
    from mimetic.slicing import rescued, slice_scores

    wanted = calls.names_in(slices)
    if wanted and data is None:
        raise UsageError(f"--slices {slices} needs the data set", remedy="Give --data DATA too.")
    dataset, drawn = calls.beside(data, groups, words)
    opened = runs_of(runs)
    evaluation = score(opened, part=part, groups=drawn, dataset=dataset)
    sliced = (
        slice_scores(opened, dataset, calls.found_store(dataset, store), wanted, part=part, groups=drawn)
        if wanted and dataset is not None
        else ()
    )
    rescues = {str(path): rescued(opened, runs_of([path]), part=part) for path in beside}
    if as_json:
        told = evaluation.as_json() | ({"slices": [one.as_json() for one in sliced]} if wanted else {})
        kept = {path: [asdict(one) for one in found] for path, found in rescues.items()}
        console.print_json(told | ({"rescued": kept} if beside else {}))
        return
    console.print_evaluation(evaluation)
    console.print_lines(*console.remarks(evaluation))
    if sliced:
        console.print_slices(sliced)
    for path, found in rescues.items():
        console.print_rescues(path, found)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Two systems or more: runs, or folders.")],
    against: Annotated[str, typer.Option(help="Of several, whom all others meet: first or best.")] = "first",
    part: Part = "valid",
    data: DataBeside = None,
    groups: Groups = "",
    words: WordsFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare systems on the same clips.

    The paired difference of mean Pearson, its interval, and whether one can be told at all. Of more than two, all
    against one of them, corrected for so many looks (Holm).
    """
    from mimetic import calls, console
    from mimetic.comparing import named_systems, rank
    from mimetic.evaluation import caution_of
    from mimetic.runs import runs_of

    given = named_systems([(str(path), runs_of([path])) for path in runs])
    dataset, drawn = calls.beside(data, groups, words)
    ranking = rank(given, against=against, part=part, groups=drawn)
    pair = len(given) == 2
    warning = "" if drawn is not None else caution_of(given[0][1][0], dataset)
    if as_json:
        told = ranking.contests[0].comparison.as_json() if pair else ranking.as_json()
        console.print_json({**told, "warning": warning})
        return
    console.print_comparison(ranking) if pair else console.print_ranking(ranking)
    console.print_lines(f"warning: {warning}" if warning else None)


def stress(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of one recipe, or their folder.")],
    data: Annotated[Path, typer.Option("--data", help="The data set that it was trained on.", show_default=False)],
    raw: Annotated[
        bool, typer.Option("--raw", help="On the clips themselves: each is decoded again and again.")
    ] = False,
    clips: Annotated[int | None, typer.Option(min=2, help="A sample of so many; raw 100 if not told.")] = None,
    part: Part = "valid",
    groups: Groups = "",
    seed: Annotated[int, typer.Option(help="Of the sample and of all noise.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="A PNG or SVG to draw.")] = None,
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    accept: Accept = "",
    as_json: AsJson = False,
) -> None:
    """See what happens when things go wrong.

    A modality missing, noise, half the frames, the first half, another clip's words; raw: silence, noise, blur. Each
    loss is paired with the same clips undisturbed, with its interval.
    """
    from mimetic import calls, console, progress
    from mimetic.pictures import check_picture, save_losses
    from mimetic.runs import runs_of
    from mimetic.stressing import RAW_CLIPS, stress_features, stress_raw

    if picture is not None:
        check_picture(picture)
    opened, (dataset, drawn) = runs_of(runs), calls.beside(data, groups, words)
    assert dataset is not None
    with progress.bars() as bars:
        counter = bars.counter("stress")
        if raw:
            accepted = calls.names_in(accept)
            found = stress_raw(
                opened,
                dataset,
                clips=clips or RAW_CLIPS,
                device=device,
                accepted=accepted,
                progress=counter,
                part=part,
                groups=drawn,
                seed=seed,
            )
        else:
            place = calls.needed_store(dataset, store)
            found = stress_features(
                opened, dataset, place, clips=clips, progress=counter, part=part, groups=drawn, seed=seed
            )
    if picture is not None:
        save_losses(found, picture)
    if as_json:
        console.print_json(found.as_json() | {"picture": None if picture is None else str(picture)})
    else:
        console.print_stressed(found)
        console.print_lines(*(f"{name} has no score: {reason}" for name, reason in found.undefined.items()))
        console.print_lines(found.note or None, str(picture) if picture else None)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs, or folders of them.")],
    out: Annotated[Path | None, typer.Option(help="The page; report.html if neither it nor --tables is told.")] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for every table as CSV, Markdown and LaTeX.")
    ] = None,
    data: DataBeside = None,
    groups: Groups = "",
    store: StoreFolder = None,
    words: WordsFile = None,
    stills: Annotated[bool, typer.Option("--stills", help="Show the clips that are named: people's faces.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about some runs, and print their scores.

    With --data DATA also kinds of clips, what each modality brings, stress, look-up, an audit, the best reachable.
    """
    from mimetic import calls, console
    from mimetic.report import make_report, write_page, write_tables
    from mimetic.runs import runs_of

    page = make_report(runs_of(runs), beside=calls.reported(data, groups, store, words, stills=stills))
    path = None if out is None and tables is not None else write_page(page, out or Path("report.html"))
    written = [] if tables is None else write_tables(page.tables, tables, note=page.source)
    if as_json:
        files = [str(file) for file in written]
        console.print_json({"report": path and str(path), "tables": files, "systems": page.systems_as_json()})
        return
    for table in page.rankings:
        console.print_cells(table)
    console.print_lines(page.note or None)
    console.print_lines(*([str(path)] if path else []), *([f"{len(written)} files in {tables}"] if tables else []))


def agreement(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="A row a clip, a column a rater.")],
    raters: Annotated[str, typer.Option(metavar="A,B,...", help="The raters' columns.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say how far raters agree, and the best score that this leaves to any system."""
    from mimetic import calls, console
    from mimetic.ratings import agreement_of, read_ratings

    names = calls.names_in(raters)
    found = agreement_of(read_ratings(table, names), names)
    if as_json:
        console.print_json(found.as_json())
        return
    told = [("Krippendorff's alpha, interval", found.clips, console.figure(found.alpha))]
    if found.correlation is not None:
        one, mean = found.correlation.three, found.correlation.three_mean
        told += [
            ("ICC(3, 1), one rater", found.complete, console.figure(one)),
            (f"ICC(3, {len(names)}), the mean of all", found.complete, console.figure(mean)),
            ("best reachable Pearson with that mean", found.complete, console.figure(found.limit)),
        ]
    console.print_table(["", "clips", ""], told)


def card(
    path: Annotated[Path, typer.Argument(metavar="RUN|DATA", help="A run, a system's folder or a data set.")],
    out: Annotated[Path | None, typer.Option(help="The file; the terminal if not told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a model card or a data card: Markdown, made from what is on record."""
    from mimetic import console
    from mimetic.cards import data_card, model_card
    from mimetic.datasets import open_dataset
    from mimetic.runs import CONFIG, runs_of
    from mimetic.store import write_atomically

    is_run = (path / CONFIG).is_file() or any(path.glob(f"seed-*/{CONFIG}"))
    text = model_card(runs_of([path])) if is_run else data_card(open_dataset(path))
    if out is not None:
        write_atomically(out, text.encode())
    if as_json:
        console.print_json({"card": None if out is None else str(out), "text": text})
    else:
        console.print_lines(text.rstrip("\n") if out is None else str(out))
