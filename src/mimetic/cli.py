"""The commands. Results go to stdout, progress to stderr; ``--json`` prints one document and nothing else.

Exit codes: 0 done, 1 a clip or a check fell short, 2 a wrong call. Each command imports what it needs when it runs, so
that ``mimetic --help`` is instant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mimetic.records import MimeticError, UnknownName, UsageError

FELL_SHORT, WRONG_CALL, STOPPED = 1, 2, 130

WrongWords: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a call that it cannot read; it gives that class no name of its own."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Predict how strongly people show emotions in short clips: emotional mimicry intensity.",
)

Data = Annotated[Path, typer.Argument(help="A folder in the challenge's layout, or a CSV.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
StoreFolder = Annotated[
    Path | None, typer.Option("--store", help="Where features are kept; DATA/features if not told.")
]
WordsFile = Annotated[Path | None, typer.Option("--words", help="One CSV or JSON with the words of all clips.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes; as many as processors if not told.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("mimetic-demo"),
    size: Annotated[str, typer.Option(help="full (420 clips) or small (48).")] = "full",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Run everything on clips it makes itself.

    Data, features, training, scores, report and submission; about five minutes on two cores.
    """
    from mimetic import console
    from mimetic.demonstration import CAVEAT, demonstrate
    from mimetic.demonstration import as_json as to_json

    with console.bars() as bars:
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


@app.command("list")
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


@app.command()
def make(
    kind: Annotated[str, typer.Argument(help="demo.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to.", show_default=False)],
    size: Annotated[str, typer.Option(help="full (420 clips) or small (48).")] = "full",
    seed: Annotated[int, typer.Option(help="Other clips for another seed.")] = 0,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make a data set in the challenge's own layout."""
    from mimetic import console
    from mimetic.datasets import DATASETS, open_dataset
    from mimetic.records import Entry

    makers = {name: entry.make for name, entry in DATASETS.items() if entry.make}
    if kind not in makers:
        raise UnknownName("data set to make", kind, makers)
    with console.bars() as bars:
        Entry(target=makers[kind], about="").load()(
            folder, size=size, seed=seed, workers=workers, progress=bars.counter("making clips")
        )
    clips = len(open_dataset(folder).clips)
    if as_json:
        console.print_json({"data": str(folder), "clips": clips})
    else:
        console.print_lines(f"{clips} clips in {folder}", f"next  mimetic train {folder} light")


@app.command()
def extract(
    data: Annotated[list[Path], typer.Argument(help="Data sets, media files or folders.", show_default=False)],
    names: Annotated[str, typer.Option("--with", help="Extractors: NAME,NAME+option=value.")] = "",
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    limit: Annotated[float, typer.Option(help="Processor seconds a clip may take.")] = 900.0,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring features into the store. What is there already is not made again; a stopped job goes on."""
    from mimetic import calls, console
    from mimetic.datasets import open_datasets
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import LIGHT, features

    wanted = features([name for name in names.split(",") if name] or LIGHT)
    dataset = calls.worded(open_datasets(data), words)
    place = calls.store_of(dataset, store, default=Path("features"))
    with console.bars() as bars:
        summaries = run_extraction(
            dataset.clips,
            wanted,
            place,
            workers=workers,
            limit=limit,
            retry=retry,
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
    if short:
        raise typer.Exit(FELL_SHORT)


@app.command()
def train(
    data: Data,
    recipe: Annotated[str, typer.Argument(help="A recipe's name, all, or a TOML file.", show_default=False)],
    settings: Annotated[list[str], typer.Option("--set", help="A setting of the recipe: fit.epochs=3")] = [],  # noqa: B006 - typer reads it
    seeds: Annotated[str, typer.Option(help="One run for each: 0,1,2")] = "0",
    out: Annotated[Path, typer.Option(help="Where the runs go.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe: its parts alone, then together. Features that are missing are extracted first."""
    from mimetic import calls, console
    from mimetic.datasets import open_dataset
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import features
    from mimetic.recipes import RECIPES, get_recipe, with_settings
    from mimetic.splits import split_dataset
    from mimetic.training import choose_device
    from mimetic.training import train as run_training

    chosen = list(RECIPES.values()) if recipe == "all" else [get_recipe(recipe)]
    chosen = [with_settings(one, calls.read_settings(settings)) for one in chosen]
    numbers = calls.read_seeds(seeds)
    dataset = calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    device = choose_device(device)
    for one in chosen:
        split_dataset(dataset, one.split)
    with console.bars() as bars:
        wanted = features(part.feature for one in chosen for part in one.parts)
        run_extraction(dataset.clips, wanted, place, workers=workers, progress=bars.counter("extracting features"))
        tell = bars.status("training")
        runs = [
            run_training(dataset, one, place, out, seed=seed, device=device, watch=calls.watch_with(tell))
            for one in chosen
            for seed in numbers
        ]
    if as_json:
        console.print_json([calls.run_as_json(run) for run in runs])
        return
    rows = [(r.recipe.name, r.seed, r.config["best_epoch"], console.figure(calls.best_score(r)), r.path) for r in runs]
    console.print_table(["recipe", "seed", "best epoch", "mean Pearson (validation)", "run"], rows)


@app.command()
def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of one recipe, or their folder.")],
    part: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    as_json: AsJson = False,
) -> None:
    """Print a system's scores with 95 % intervals.

    By bootstrap over clips; of several seeds, the mean.
    """
    from mimetic import console
    from mimetic.evaluation import evaluate as score
    from mimetic.runs import runs_of

    evaluation = score(runs_of(runs), part=part)
    if as_json:
        console.print_json(evaluation.as_json())
    else:
        console.print_evaluation(evaluation)
        console.print_lines(evaluation.note or None)


@app.command()
def compare(
    first: RunFolder,
    second: RunFolder,
    part: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    as_json: AsJson = False,
) -> None:
    """Compare two systems on the same clips.

    The paired difference of mean Pearson, its interval, and whether one can be told at all.
    """
    from mimetic import console
    from mimetic.evaluation import compare_runs
    from mimetic.runs import runs_of

    comparison = compare_runs(runs_of([first]), runs_of([second]), part=part)
    if as_json:
        console.print_json(comparison.as_json())
        return
    console.print_lines(
        f"{first} minus {second}, mean Pearson: {console.figure(comparison.difference, sign=True)}"
        f" ({console.between(comparison, sign=True)})",
        f"{comparison.verdict}; the first wins in {comparison.wins:.1%} of resamples",
    )


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about some runs."""
    from mimetic import console
    from mimetic.report import write_report
    from mimetic.runs import runs_of

    path = write_report(runs_of(runs), out)
    if as_json:
        console.print_json({"report": str(path)})
    else:
        console.print_lines(str(path))


@app.command()
def predict(
    run: RunFolder,
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Media files or folders.")],
    words: WordsFile = None,
    as_json: AsJson = False,
) -> None:
    """Score clips: a number for each target, or the reason why not."""
    from mimetic import calls, console
    from mimetic.prediction import as_clips
    from mimetic.prediction import predict as run_prediction
    from mimetic.runs import Run

    opened, asked = Run(run), calls.worded_clips(as_clips(clips), words)
    with console.bars() as bars:
        scores = run_prediction(opened, asked, progress=bars.counter("scoring"))
    rows = list(zip(asked, scores.values.tolist(), scores.modalities, scores.errors, strict=True))
    if as_json:
        console.print_json(
            [
                {
                    "clip": clip.id,
                    "path": None if clip.path is None else str(clip.path),
                    "scores": None if error else dict(zip(scores.targets, values, strict=True)),
                    "intervals": None,
                    "modalities": dict(modalities),
                    "error": error,
                }
                for clip, values, modalities, error in rows
            ]
        )
    else:
        cells = [
            (clip.id, *("" if error else console.figure(value) for value in values), calls.not_used(modalities, error))
            for clip, values, modalities, error in rows
        ]
        console.print_table(["clip", *scores.targets, "not used"], cells)
        console.print_lines(opened.note or None)
    if any(scores.errors):
        raise typer.Exit(FELL_SHORT)


@app.command()
def submit(
    run: RunFolder,
    data: Data,
    out: Annotated[Path, typer.Option(help="The file.")] = Path("submission.csv"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Write the challenge's file, and check it."""
    from mimetic import calls, console
    from mimetic.datasets import open_dataset
    from mimetic.extraction import extract as run_extraction
    from mimetic.prediction import predict_dataset
    from mimetic.runs import Run
    from mimetic.submission import check_submission, write_submission

    opened, dataset = Run(run), calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    with console.bars() as bars:
        run_extraction(
            dataset.clips, opened.features, place, workers=workers, progress=bars.counter("extracting features")
        )
    path = write_submission(predict_dataset(opened, dataset, place), dataset, out)
    _tell_faults(path, check_submission(path, dataset), as_json=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A submission.", show_default=False)],
    data: Data,
    as_json: AsJson = False,
) -> None:
    """Look for all that would spoil a submission."""
    from mimetic.datasets import open_dataset
    from mimetic.submission import check_submission

    if not file.is_file():
        raise UsageError(f"there is no {file}", remedy="`mimetic submit` writes one.")
    _tell_faults(file, check_submission(file, open_dataset(data)), as_json=as_json)


def _tell_faults(path: Path, faults: Sequence[str], *, as_json: bool) -> None:
    from mimetic import console

    if as_json:
        console.print_json({"file": str(path), "good": not faults, "faults": list(faults)})
    else:
        console.print_lines(*(faults or [f"{path} is good"]))
    if faults:
        raise typer.Exit(FELL_SHORT)


# ------------------------------------------------------------------------------------------------ main


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: errors become one line and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, prog_name="mimetic", standalone_mode=False)
    except MimeticError as error:
        code = _fail(error, as_json="--json" in words)
    except WrongWords as error:
        code = _fail(UsageError(str(error), remedy="See --help."), as_json="--json" in words)
    except OSError as error:
        told = UsageError(f"{error.filename or 'a file'}: {error.strerror or error}", remedy="Choose another place.")
        code = _fail(told, as_json="--json" in words)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    if code == STOPPED:  # typer itself turns Ctrl-C into it, without a word
        sys.stderr.write("stopped: the same command goes on where it was\n")
    sys.exit(code or 0)


def _fail(error: MimeticError, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(error.as_json(), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"mimetic: {error}\n")
    return WRONG_CALL


if __name__ == "__main__":
    main()
