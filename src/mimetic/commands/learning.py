"""Commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mimetic.commands.arguments import Accept, AsJson, Data, Device, StoreFolder, WordsFile, Workers

if TYPE_CHECKING:
    from mimetic.runs import Run


def train(
    data: Data,
    recipe: Annotated[
        str, typer.Argument(help="Recipes' names, with commas; all; or a TOML file.", show_default=False)
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

    With all, every recipe of the table whose features are in the store, or need no model to be made. What is finished
    is not trained again, so that a training that was stopped goes on where it was.
    """
    from mimetic import calls, console
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import features
    from mimetic.journal import Journal
    from mimetic.recipes import RECIPES, get_recipe, with_settings
    from mimetic.splits import split_dataset
    from mimetic.training import train_on
    from mimetic.training.choosing import check_stored, on_features, read_taken, trainable
    from mimetic.training.material import Shelf

    chosen = list(RECIPES.values()) if recipe == "all" else [get_recipe(name) for name in calls.names_in(recipe)]
    chosen = [with_settings(one, calls.read_settings(settings)) for one in chosen]
    told, numbers = read_taken(taken), calls.read_seeds(seeds)
    dataset = calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    device = choose_device(device)
    chosen = [on_features(one, told) for one in chosen]
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
        shelf, journal = Shelf(dataset, place), Journal(out)
        watch = calls.watch_with(bars.status("training"), journal)
        runs = [train_on(shelf, one, out, seed=seed, device=device, watch=watch) for one in chosen for seed in numbers]
        journal.close()
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
