"""Commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import Accept, AsJson, Data, Device, StoreFolder, WordsFile, Workers


def train(
    data: Data,
    recipe: Annotated[str, typer.Argument(help="A recipe's name, all, or a TOML file.", show_default=False)],
    settings: Annotated[list[str], typer.Option("--set", help="A setting of the recipe: fit.epochs=3")] = [],  # noqa: B006 - typer reads it
    seeds: Annotated[str, typer.Option(help="One run for each: 0,1,2")] = "0",
    out: Annotated[Path, typer.Option(help="Where the runs go.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Device = "auto",
    accept: Accept = "",
    as_json: AsJson = False,
) -> None:
    """Train a recipe: its parts alone, then together. Features that are missing are extracted first."""
    from mimetic import calls, console
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import features
    from mimetic.recipes import RECIPES, get_recipe, with_settings
    from mimetic.splits import split_dataset
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
        run_extraction(
            dataset.clips,
            wanted,
            place,
            workers=workers,
            device=device,
            accepted=calls.names_in(accept),
            progress=bars.counter("extracting features"),
        )
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
