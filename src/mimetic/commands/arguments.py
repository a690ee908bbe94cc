"""The arguments and options that several commands share, and the codes that they end with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mimetic.records import UsageError

FELL_SHORT, WRONG_CALL, STOPPED = 1, 2, 130


def a_folder(place: Path | None) -> Path | None:
    """Refuse a place to write to where a file is in the way: now, and not when all the work is done."""
    if place is not None:
        there = next(path for path in (place, *place.absolute().parents) if path.exists())
        if not there.is_dir():
            raise UsageError(f"{there} is a file, and a folder is needed there", remedy="Choose another place.")
    return place


def into(told: str) -> Any:
    """Give the option that says which folder the work goes into."""
    return typer.Option(callback=a_folder, help=told)


Data = Annotated[Path, typer.Argument(help="A folder in the challenge's layout, or a CSV.", show_default=False)]
DataOrFiles = Annotated[list[Path], typer.Argument(help="Data sets, media files or folders.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)]
RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Runs, or folders of them.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
StoreFolder = Annotated[
    Path | None, typer.Option("--store", callback=a_folder, help="Where features are kept; DATA/features if not told.")
]
WordsFile = Annotated[
    Path | None, typer.Option("--words", help="A CSV or JSON with the words of all clips, or a folder of transcripts.")
]
DataBeside = Annotated[
    Path | None, typer.Option("--data", help="The data set, for what it says of its clips.", show_default=False)
]
Groups = Annotated[
    str,
    typer.Option(
        metavar="COLUMN|transcript",
        help="Clips that are drawn together; two that cross: person,transcript.",
        show_default=False,
    ),
]
Part = Annotated[str, typer.Option(help="train, valid or test.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes; as many as processors if not told.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Accept = Annotated[
    str,
    typer.Option(metavar="NAME,NAME", help="Extractors whose licence you have read and accept.", show_default=False),
]
Ids = Annotated[str, typer.Option(help="How ids are written: padded (00012) or plain (12).")]
Tracked = Annotated[
    str,
    typer.Option("--log", metavar="TOOL", help="tensorboard, mlflow or wandb: epochs in OUT/logs.", show_default=False),
]
Settings = Annotated[list[str], typer.Option("--set", help="A setting of the recipe: fit.epochs=3")]
Taken = Annotated[
    list[str],
    typer.Option("--feature", metavar="NAME=FEATURE", help="The feature to take: wav2vec2=wav2vec2+rate=5"),
]
