"""The command that trains encoders themselves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mimetic.commands.arguments import (
    Accept,
    AsJson,
    Data,
    Device,
    StoreFolder,
    Tracked,
    WordsFile,
    Workers,
    into,
)
from mimetic.records import UsageError

if TYPE_CHECKING:
    from mimetic.runs import Run


def finetune(
    data: Data,
    extractor: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME", help="The encoders that learn: gte, wav2vec2+model=FOLDER", show_default=False
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="The system that they learn in, or a TOML file; alone with a head if not told.")
    ] = "",
    settings: Annotated[list[str], typer.Option("--set", help="A setting: rate=1e-5, frozen=6, fit.epochs=3")] = [],  # noqa: B006 - typer reads it
    taken: Annotated[
        list[str],
        typer.Option("--feature", metavar="NAME=FEATURE", help="The feature to take: gte-mlm=gte-mlm+model=FOLDER"),
    ] = [],  # noqa: B006 - typer reads it
    folds: Annotated[
        int, typer.Option(min=0, help="So many encoders; each clip is described by one that has not learned from it.")
    ] = 0,
    seeds: Annotated[str, typer.Option(help="One run for each: 0,1,2")] = "0",
    out: Annotated[Path, into("Where the runs go, and the encoders.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Device = "auto",
    accept: Accept = "",
    log: Tracked = "",
    as_json: AsJson = False,
) -> None:
    """Train pretrained encoders on the labels: one with a head, or several at once through a fusion.

    What comes out is an extractor (OUT/encoders/NAME), and a finished run on its features. One that was stopped goes on
    where it was; torchrun starts it on several devices, with the same result. Settings beside the recipe's: rate,
    layer_decay, warmup, frozen, rank (LoRA), at_once, inner, z_scored, recompute, precision, layer_drop, time_mask,
    feature_mask.
    """
    from mimetic import calls, progress
    from mimetic.datasets import open_dataset
    from mimetic.finetuning import alone, with_choices
    from mimetic.finetuning import finetune as tune
    from mimetic.finetuning.folds import finetune_folds as tune_folds
    from mimetic.journal import Journal
    from mimetic.recipes import get_recipe
    from mimetic.training.choosing import on_features, read_taken
    from mimetic.world import entered

    names = calls.names_in(extractor)
    if not recipe and len(names) != 1:
        raise UsageError(f"--extractor {extractor}: several learn in a recipe only", remedy="Give --recipe NAME.")
    chosen = on_features(get_recipe(recipe), read_taken(taken)) if recipe else alone(names[0])
    tuning = with_choices(chosen, names, calls.read_settings(settings))
    dataset = calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    numbers = calls.read_seeds(seeds)
    told: dict[str, Any] = {"accepted": calls.names_in(accept)}
    with (
        entered(device) as (world, told["device"]),
        progress.bars_of(world) as bars,
        closing(Journal(out)) as journal,
        calls.tracker_of(log if world.leads else "", out) as track,
    ):
        if world.leads:
            told["watch"] = calls.watch_with(bars.status("training"), journal, track)
        told["progress"] = bars.counter("reading clips")
        if folds:
            made = [tune_folds(dataset, tuning, place, out, folds=folds, seed=seed, **told) for seed in numbers]
        else:
            runs = [tune(dataset, tuning, place, out, seed=seed, workers=workers, **told) for seed in numbers]
    if not world.leads:
        return
    if folds:
        _print_features([feature.key for feature in made], as_json=as_json)
    else:
        _print_tuned(runs, as_json=as_json)


def _print_features(keys: Sequence[str], *, as_json: bool) -> None:
    from mimetic import console

    if as_json:
        console.print_json([{"feature": key} for key in keys])
    else:
        console.print_lines(*(f"--feature {key.partition('+')[0]}={key}" for key in keys))


def _print_tuned(runs: Sequence[Run], *, as_json: bool) -> None:
    from mimetic import calls, console

    if as_json:
        console.print_json([calls.run_as_json(run) for run in runs])
        return
    columns = ["recipe", "seed", "best epoch", "mean Pearson (set aside)", "features"]
    told = (", ".join(part.feature for part in run.recipe.parts) for run in runs)
    console.print_table(
        columns, [(*calls.run_cells(run)[:4], features) for run, features in zip(runs, told, strict=True)]
    )
    console.print_lines(*(str(run.path) for run in runs), runs[0].note or None)
