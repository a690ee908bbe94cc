"""Commands that search, and that make one of many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import (
    AsJson,
    Data,
    Device,
    RunFolders,
    Settings,
    StoreFolder,
    Taken,
    WordsFile,
    into,
)

Together = Annotated[
    str,
    typer.Option(
        "--groups",
        metavar="COLUMN|transcript",
        help="Clips that no inner fold parts; the data set's own people if not told.",
        show_default=False,
    ),
]
Folds = Annotated[int, typer.Option(min=2, help="Inner folds of the clips that train.")]


def sweep(
    data: Data,
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.", show_default=False)],
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of before and of other commands included.")],
    vary: Annotated[
        list[str],
        typer.Option(metavar="NAME=VALUES", help="fit.rate=1e-5..1e-2 or fit.clips=16,64; the usual ones if not told."),
    ] = [],  # noqa: B006 - typer reads it
    settings: Settings = [],  # noqa: B006 - typer reads it
    taken: Taken = [],  # noqa: B006 - typer reads it
    folds: Folds = 3,
    groups: Together = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="Give up after a fold what is below the others' median.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that try at once.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the search, the folds and each training.")] = 0,
    out: Annotated[Path, into("The journal, the best settings and the table.")] = Path("sweep"),
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Search a recipe's settings, scored on inner folds of the clips that train; others are not looked at.

    The same command goes on where it was, and several at once, with one OUT, share the work. OUT/best.toml is a recipe
    for `mimetic train`, OUT/sweep.json the table.
    """
    from mimetic import calls, console, progress
    from mimetic.datasets import open_dataset
    from mimetic.recipes import get_recipe, with_settings
    from mimetic.showing import print_sweep
    from mimetic.spaces import default_space, read_space
    from mimetic.sweeping import Plan
    from mimetic.sweeping import sweep as run_sweep
    from mimetic.training.choosing import check_stored, on_features, read_taken

    chosen = on_features(with_settings(get_recipe(recipe), calls.read_settings(settings)), read_taken(taken))
    dataset = calls.worded(open_dataset(data), words)
    place = calls.needed_store(dataset, store)
    check_stored(chosen, dataset, place)
    plan = Plan(
        dataset=dataset,
        store=place.path,
        recipe=chosen,
        space=read_space(vary) or default_space(chosen),
        out=out,
        folds=folds,
        by=groups or None,
        prune=prune,
        seed=seed,
        device=device,
    )
    with progress.bars() as bars:
        found = run_sweep(plan, trials=trials, workers=workers, progress=bars.counter("trials"))
    if as_json:
        console.print_json(found.as_json())
    else:
        print_sweep(found)


def stack(
    data: Data,
    runs: RunFolders,
    how: Annotated[
        str,
        typer.Option(help="choose (what is best on clips its weights have not seen), non-negative, ridge or mean."),
    ] = "choose",
    folds: Folds = 3,
    groups: Together = "",
    out: Annotated[Path, into("Where the run goes, and in inner/ what is trained for it.")] = Path("runs"),
    store: StoreFolder = None,
    words: WordsFile = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Mix runs into one: seeds by their mean, systems by weights from clips that they have not seen; calibrated.

    Networks are trained anew on inner folds of the clips that train, to learn the weights; the runs stay as they are.
    What comes out is a run like any other. Stacks in a folder of runs are passed over.
    """
    from contextlib import closing

    from mimetic import calls, console, progress
    from mimetic.datasets import open_dataset
    from mimetic.devices import choose_device
    from mimetic.journal import Journal
    from mimetic.mixing import stack_runs
    from mimetic.runs import STACK, runs_of
    from mimetic.showing import print_stack
    from mimetic.training.material import Shelf

    dataset = calls.worded(open_dataset(data), words)
    shelf = Shelf(dataset, calls.needed_store(dataset, store))
    with progress.bars() as bars, closing(Journal(out / "inner")) as journal:
        run = stack_runs(
            [run for run in runs_of(runs) if run.kind != STACK or run.path in runs],
            shelf,
            out,
            how=how,
            folds=folds,
            by=groups or None,
            device=choose_device(device),
            watch=calls.watch_with(bars.status("training"), journal),
        )
    if as_json:
        console.print_json({**calls.run_as_json(run), "stack": run.config["stack"]})
    else:
        print_stack(run)
