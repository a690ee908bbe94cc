"""Commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mimetic.commands.arguments import Accept, AsJson, Data, Device, RunFolder, StoreFolder, WordsFile, Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mimetic.runs import Run


def train(
    data: Data,
    recipe: Annotated[
        str, typer.Argument(help="Recipes' names, with commas; auto, floor or all; or a TOML file.", show_default=False)
    ],
    settings: Annotated[list[str], typer.Option("--set", help="A setting of the recipe: fit.epochs=3")] = [],  # noqa: B006 - typer reads it
    taken: Annotated[
        list[str],
        typer.Option("--feature", metavar="NAME=FEATURE", help="The feature to take: wav2vec2=wav2vec2+rate=5"),
    ] = [],  # noqa: B006 - typer reads it
    seeds: Annotated[str, typer.Option(help="One run for each: 0,1,2")] = "0",
    out: Annotated[Path, typer.Option(help="Where the runs go.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Device = "auto",
    accept: Accept = "",
    as_json: AsJson = False,
) -> None:
    """Train a recipe: its parts alone, then together. Features that are missing are extracted first.

    With auto, every model that the data allow, mixed out of fold; with floor, clip statistics with ridge, the line to
    beat. With all, every recipe of the table whose features are in the store, or need no model to be made. What is
    finished is not trained again, so that a training that was stopped goes on where it was.
    """
    from mimetic import calls, console
    from mimetic.automatic import ABOUT, recipe_for, train_automatically
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import features
    from mimetic.recipes import RECIPES, get_recipe, with_settings
    from mimetic.splits import split_dataset
    from mimetic.training import train_on
    from mimetic.training.choosing import check_stored, on_features, read_taken, trainable
    from mimetic.training.material import Shelf

    told, numbers = read_taken(taken), calls.read_seeds(seeds)
    chosen = list(RECIPES.values()) if recipe == "all" else []
    chosen = chosen or [get_recipe(name) for name in calls.names_in(recipe) if name not in ABOUT]
    dataset = calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    device = choose_device(device)
    chosen += [recipe_for(dataset, place, kind=name) for name in calls.names_in(recipe) if name in ABOUT]
    chosen = [on_features(with_settings(one, calls.read_settings(settings)), told) for one in chosen]
    if recipe == "all":
        chosen = trainable(chosen, dataset, place, tell=_tell)
    for one in chosen:
        check_stored(one, dataset, place)
    for split in {one.split for one in chosen}:
        split_dataset(dataset, split)
    with console.bars() as bars:
        wanted = features(part.feature for one in chosen for part in one.parts)
        counter = bars.counter("extracting features")
        run_extraction(
            dataset.clips,
            wanted,
            place,
            workers=workers,
            device=device,
            accepted=calls.names_in(accept),
            progress=counter,
        )
        shelf, tell = Shelf(dataset, place), bars.status("training")
        watch = calls.watch_with(tell)
        runs = [
            train_automatically(shelf, one, out, seed=seed, device=device, tell=tell)
            if one.name in ABOUT
            else train_on(shelf, one, out, seed=seed, device=device, watch=watch)
            for one in chosen
            for seed in numbers
        ]
    _print_runs(runs, as_json=as_json)


def refit(
    run: RunFolder,
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the new run goes.")] = Path("refits"),
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a run once more, on all labelled clips, for as many epochs as were best. It has no validation score."""
    from dataclasses import replace

    from mimetic import calls, console
    from mimetic.automatic import ABOUT, train_automatically
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.runs import Run
    from mimetic.splits import ALL
    from mimetic.training.material import Shelf
    from mimetic.training.refitting import refit as run_refit

    opened, dataset = Run(run), calls.worded(open_dataset(data), words)
    shelf, device = Shelf(dataset, calls.store_of(dataset, store)), choose_device(device)
    with console.bars() as bars:
        if opened.kind in ABOUT:
            recipe, tell = replace(opened.recipe, split=ALL), bars.status("training")
            new = train_automatically(shelf, recipe, out, seed=opened.seed, device=device, tell=tell)
        else:
            new = run_refit(opened, shelf, out, device=device)
    if as_json:
        console.print_json({**calls.run_as_json(new), "refit_of": str(opened.path)})
    else:
        console.print_lines(str(new.path), "no validation score: trained on all labelled clips")


def _print_runs(runs: Sequence[Run], *, as_json: bool) -> None:
    from mimetic import calls, console

    if as_json:
        console.print_json([calls.run_as_json(run) for run in runs])
        return
    columns = ["recipe", "seed", "best epoch", "mean Pearson (validation)", "published", "run"]
    console.print_table(columns, [_row(run) for run in runs])
    console.print_lines(runs[0].note or None if runs else None)


def _row(run: Run) -> tuple[object, ...]:
    from mimetic import calls, console

    published = run.recipe.published.get("validation")
    told = "" if published is None else console.figure(published)
    score = console.figure(calls.best_score(run))
    return run.recipe.name, run.seed, run.config["best_epoch"], score, told, run.path


def _tell(text: str) -> None:
    typer.echo(text, err=True)
