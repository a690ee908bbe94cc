"""Commands that look after what is kept: stores, and what they know of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import FELL_SHORT, AsJson, DataBeside

StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="A folder of features.", show_default=False)]

store = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@store.callback()
def whole(context: typer.Context) -> None:
    """Look into stores, join them, check every byte."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@store.command()
def info(path: StorePath, as_json: AsJson = False) -> None:
    """Print what a store holds."""
    from mimetic import console
    from mimetic.stocktaking import take_stock
    from mimetic.store import Store

    holdings = take_stock(Store(path))
    if as_json:
        console.print_json({"store": str(path), "features": [holding.as_json() for holding in holdings]})
    else:
        console.print_holdings(holdings)


@store.command()
def verify(path: StorePath, as_json: AsJson = False) -> None:
    """Read every byte, and name what is not as it was written."""
    from mimetic import console, progress
    from mimetic.stocktaking import verify as check
    from mimetic.store import Store

    with progress.bars() as bars:
        faults = check(Store(path), progress=bars.counter("reading shards"))
    if as_json:
        console.print_json({"store": str(path), "good": not faults, "faults": faults})
    else:
        console.print_lines(*(faults or [f"{path} is whole"]))
    if faults:
        raise typer.Exit(FELL_SHORT)


@store.command()
def merge(
    paths: Annotated[list[Path], typer.Argument(metavar="STORE...", help="Stores to join.", show_default=False)],
    into: Annotated[Path, typer.Option(help="The store that gets their shards.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Join stores: those that several machines made of one data set."""
    from mimetic import console, progress
    from mimetic.stocktaking import merge as join
    from mimetic.store import Store

    with progress.bars() as bars:
        holdings = join([Store(path) for path in paths], Store(into), progress=bars.counter("copying shards"))
    if as_json:
        console.print_json({"store": str(into), "features": [holding.as_json() for holding in holdings]})
    else:
        console.print_holdings(holdings)


def forget(
    places: Annotated[list[Path], typer.Argument(metavar="STORE|RUN...", help="What to empty.", show_default=False)],
    clip: Annotated[list[str], typer.Option(help="A clip's id; several allowed.")] = [],  # noqa: B006 - typer's way
    person: Annotated[str, typer.Option(help="All clips of a person; needs --data.")] = "",
    data: DataBeside = None,
    as_json: AsJson = False,
) -> None:
    """Remove every trace of a clip or a person; say what no program can undo."""
    from mimetic import console
    from mimetic.datasets import open_dataset
    from mimetic.forgetting import clips_of_person
    from mimetic.forgetting import forget as empty
    from mimetic.records import UsageError

    if bool(clip) == bool(person) or (person and data is None):
        raise UsageError("it is not clear what to forget", remedy="Give --clip ID, or --person ID with --data DATA.")
    clips = frozenset(clip) if data is None or clip else clips_of_person(open_dataset(data), person)
    done = {str(place): empty(place, clips) for place in places}
    if as_json:
        console.print_json({"clips": sorted(clips), "places": {name: of.as_json() for name, of in done.items()}})
    for name, of in () if as_json else done.items():
        console.print_lines(
            f"{name}: {sum(of.rows.values())} rows removed",
            *(f"removed whole: {path}" for path in of.removed),
            *(f"not to be undone: {told}" for told in of.trained),
            *(f"still names it, and is left to you: {path}" for path in of.named),
        )
    if any(of.trained or of.named for of in done.values()):
        raise typer.Exit(FELL_SHORT)
