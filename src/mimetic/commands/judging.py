"""Commands that say how good a run is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import AsJson, RunFolder


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
