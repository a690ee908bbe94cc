"""Commands that train."""

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
    Groups,
    Part,
    RunFolder,
    Settings,
    StoreFolder,
    Taken,
    Tracked,
    WordsFile,
    Workers,
    into,
)
from mimetic.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mimetic.clocking import Clock
    from mimetic.recipes import Recipe
    from mimetic.records import Dataset, Json
    from mimetic.runs import Run
    from mimetic.store import Store


def train(
    data: Data,
    recipe: Annotated[
        str, typer.Argument(help="Recipes' names, with commas; auto, floor or all; or a TOML file.", show_default=False)
    ],
    settings: Settings = [],  # noqa: B006 - typer reads it
    taken: Taken = [],  # noqa: B006 - typer reads it
    seeds: Annotated[str, typer.Option(help="One run for each: 0,1,2")] = "0",
    out: Annotated[Path, into("Where the runs go.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    workers: Workers = None,
    device: Device = "auto",
    accept: Accept = "",
    log: Tracked = "",
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the time went: on stderr, and in OUT/profile.json.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe: its parts alone, then together. Features that are missing are extracted first.

    With auto, every model that the data allow, mixed out of fold; with floor, clip statistics with ridge, the line to
    beat. With all, every recipe of the table whose features are in the store, or need no model to be made. What is
    finished is not trained again, so that a training that was stopped goes on where it was.
    """
    from mimetic import calls, console, progress
    from mimetic.automatic import ABOUT, FLOOR, recipe_for, train_automatically
    from mimetic.clocking import Clock, untimed
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.extraction import extract as run_extraction
    from mimetic.features import features
    from mimetic.journal import Journal
    from mimetic.recipes import with_settings
    from mimetic.training import train_on
    from mimetic.training.choosing import on_features, read_taken, trainable
    from mimetic.training.material import Shelf
    from mimetic.world import entered

    if not calls.names_in(recipe):
        raise UsageError("no recipe is named", remedy="`mimetic list recipes` prints them.")
    told, numbers, named = read_taken(taken), calls.read_seeds(seeds), _of_the_table(recipe)
    dataset = calls.worded(open_dataset(data), words)
    place = calls.store_of(dataset, store)
    device = choose_device(device)
    named += [recipe_for(dataset, place, kind=name) for name in calls.names_in(recipe) if name in ABOUT]
    chosen = [on_features(with_settings(one, calls.read_settings(settings)), told) for one in named]
    if recipe == "all":
        chosen = trainable(chosen, dataset, place, tell=_tell)
    _check(chosen, dataset, place)
    told_more: dict[str, Any] = {"accepted": calls.names_in(accept), "workers": workers}
    with (
        entered(device) as (world, own),
        progress.bars_of(world) as bars,
        closing(Journal(out)) as journal,
        calls.tracker_of(log if world.leads else "", out) as track,
    ):
        if world.size > 1 and any(one.name in ABOUT for one in chosen):
            raise UsageError(f"{recipe} trains in one process", remedy="Start it without torchrun.")
        wanted = features(part.feature for one in chosen for part in one.parts)
        told_more |= {"device": own, "progress": bars.counter("extracting features")}
        world.led(lambda: run_extraction(dataset.clips, wanted, place, **told_more))
        shelf, tell, clock = Shelf(dataset, place), bars.status("training"), Clock()
        watch = calls.watch_with(tell, journal, track) if world.leads else _say_nothing
        runs = [
            train_automatically(shelf, one, out, seed=seed, device=own, tell=tell, watch=track)
            if one.name in ABOUT
            else train_on(shelf, one, out, seed=seed, device=own, watch=watch, clock=clock if profile else untimed)
            for one in chosen
            for seed in numbers
        ]
    if not world.leads:
        return
    if profile:
        _tell_profile(clock, out)
    _print_runs(runs, as_json=as_json)
    if not as_json and not any(out.glob(f"{FLOOR}-*")):
        console.print_lines(f"the line to beat, in seconds: mimetic train {data} {FLOOR} --out {out}")


def _of_the_table(names: str) -> list[Recipe]:
    """Give the recipes that do not depend on the data."""
    from mimetic import calls
    from mimetic.automatic import ABOUT
    from mimetic.recipes import RECIPES, get_recipe

    if names == "all":
        return list(RECIPES.values())
    return [get_recipe(name) for name in calls.names_in(names) if name not in ABOUT]


def _check(recipes: Sequence[Recipe], dataset: Dataset, store: Store) -> None:
    """Refuse, before anything is extracted, what the store or the split would refuse later."""
    from mimetic.splits import split_dataset
    from mimetic.training.choosing import check_stored

    for recipe in recipes:
        check_stored(recipe, dataset, store)
    for split in {recipe.split for recipe in recipes}:
        split_dataset(dataset, split)


def refit(
    run: RunFolder,
    data: Data,
    out: Annotated[Path, into("Where the new runs go.")] = Path("refits"),
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a run once more, on all labelled clips, for as many epochs as were best. It has no validation score.

    Of a folder of runs, such as a recipe's seeds, each.
    """
    from dataclasses import replace

    from mimetic import calls, console, progress
    from mimetic.automatic import ABOUT, train_automatically
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.runs import runs_of
    from mimetic.splits import ALL
    from mimetic.training.material import Shelf
    from mimetic.training.refitting import refit as run_refit

    dataset = calls.worded(open_dataset(data), words)
    shelf, device = Shelf(dataset, calls.store_of(dataset, store)), choose_device(device)
    with progress.bars() as bars:
        tell = bars.status("training")

        def again(one: Run) -> Run:
            if one.kind not in ABOUT:
                return run_refit(one, shelf, out, device=device)
            recipe = replace(one.recipe, split=ALL)
            return train_automatically(shelf, recipe, out, seed=one.seed, device=device, tell=tell)

        made = {str(one.path): again(one) for one in runs_of([run])}
    if as_json:
        told = [{**calls.run_as_json(new), "refit_of": of} for of, new in made.items()]
        console.print_json(told[0] if str(run) in made else told)
    else:
        console.print_lines(
            *(str(new.path) for new in made.values()), "no validation score: trained on all labelled clips"
        )


def _print_runs(runs: Sequence[Run], *, as_json: bool) -> None:
    from mimetic import calls, console

    if as_json:
        console.print_json([calls.run_as_json(run) for run in runs])
        return
    columns = ["recipe", "seed", "best epoch", "mean Pearson (validation)", "published", "run"]
    console.print_table(columns, [calls.run_cells(run) for run in runs])
    console.print_lines(runs[0].note or None if runs else None)


def ablate(
    data: Data,
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.", show_default=False)],
    choices: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Which choices to switch; all that apply if not told.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="One run of each for each: 0,1,2")] = "0,1,2,3,4",
    settings: Settings = [],  # noqa: B006 - typer reads it
    taken: Taken = [],  # noqa: B006 - typer reads it
    part: Part = "valid",
    groups: Groups = "",
    out: Annotated[Path, into("Where the table goes, and in runs/ the runs.")] = Path("ablation"),
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Switch each choice of a recipe alone, and say what that changes, with intervals.

    Paired on the same clips, over the same seeds, corrected for so many looks (Holm). What is finished is not trained
    again, so that one that was stopped goes on where it was. OUT/ablation.json, .md and .txt hold the table.
    """
    from mimetic import calls, console, progress
    from mimetic.ablation import ablate as run_ablation
    from mimetic.ablation import write_ablation
    from mimetic.datasets import open_dataset
    from mimetic.journal import Journal
    from mimetic.recipes import get_recipe, with_settings
    from mimetic.sharing import grouping
    from mimetic.training.choosing import check_stored, on_features, read_taken
    from mimetic.training.material import Shelf

    chosen = on_features(with_settings(get_recipe(recipe), calls.read_settings(settings)), read_taken(taken))
    dataset = calls.worded(open_dataset(data), words)
    place = calls.needed_store(dataset, store)
    check_stored(chosen, dataset, place)
    with progress.bars() as bars, closing(Journal(out / "runs")) as journal:
        found = run_ablation(
            Shelf(dataset, place),
            chosen,
            out / "runs",
            seeds=calls.read_seeds(seeds),
            names=calls.names_in(choices),
            part=part,
            groups=grouping(dataset, *calls.names_in(groups)) if groups else None,
            device=device,
            watch=calls.watch_with(bars.status("training"), journal),
        )
    write_ablation(found, [console.switch_cells(switch) for switch in found.switches], console.SWITCHED, out)
    if as_json:
        console.print_json(found.as_json())
    else:
        console.print_ablation(found)
        console.print_lines(str(out / "ablation.md"))


def _tell_profile(clock: Clock, out: Path) -> None:
    """Say where the time of a training went; a model of auto or floor is not looked into."""
    import json

    from mimetic.store import write_atomically

    told = clock.as_json()
    write_atomically(out / "profile.json", (json.dumps(told, indent=1) + "\n").encode())
    _tell(f"{'':20}{'wall s':>10}{'CPU s':>10}")
    for stretch in told:
        _tell(f"{stretch['name']:20}{stretch['wall']:10.2f}{stretch['cpu']:10.2f}")


def _row(run: Run) -> tuple[object, ...]:
    from mimetic import calls, console

    published = run.recipe.published.get("validation")
    told = "" if published is None else console.figure(published)
    score = console.figure(calls.best_score(run))
    return run.recipe.name, run.seed, run.config["best_epoch"], score, told, run.path


def _say_nothing(_recipe: Recipe, _seed: int, _line: Json) -> None:
    """Watch a training that another process tells of."""


def _tell(text: str) -> None:
    typer.echo(text, err=True)
