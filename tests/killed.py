"""A job that is killed at a chosen point: its name, a folder and a number in; SIGKILL at the n-th touch of the disk.

Points are what the product does to make a file last: flushing it, renaming it, removing one; before each and after it.
Nothing of the product knows of this: the calls are wrapped here, in a process of the test's own. Run as
``python tests/killed.py JOB FOLDER POINT``; ``POINT`` 0 never kills, and prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CALLS = ("fsync", "replace", "rename", "unlink")
"""What is counted: ``os``'s own; pathlib goes through them."""

EPOCHS = 3


def dataset_of(folder: Path) -> Any:
    from mimetic.datasets import open_dataset

    return open_dataset(folder.parent / "data")


def extract_job(folder: Path) -> None:
    import mimetic.extraction
    from mimetic.features import features
    from mimetic.store import Store

    mimetic.extraction.SHARD = 4
    mimetic.extraction.extract(
        dataset_of(folder).clips, features(["motion-blocks", "words-hashed"]), Store(folder / "store"), workers=0
    )


def import_job(folder: Path) -> None:
    from mimetic.features import feature
    from mimetic.imports import import_features
    from mimetic.store import Store

    wanted = feature("own-vision+name=x+dim=3+fps=5")
    import_features(dataset_of(folder).clips, folder.parent / "theirs", wanted, Store(folder / "store"))


def train_job(folder: Path) -> None:
    from mimetic.recipes import get_recipe
    from mimetic.recipes.settings import with_settings
    from mimetic.store import Store
    from mimetic.training import train

    recipe = with_settings(get_recipe("motion-blocks.meanstd"), {"fit.epochs": EPOCHS})
    train(dataset_of(folder), recipe, Store(folder.parent / "store"), folder / "runs")


def refit_job(folder: Path) -> None:
    from mimetic.runs import runs_of
    from mimetic.store import Store
    from mimetic.training.refitting import refit

    refit(runs_of([folder.parent / "runs"])[0], dataset_of(folder), Store(folder.parent / "store"), folder / "runs")


def merge_job(folder: Path) -> None:
    from mimetic.stocktaking import merge
    from mimetic.store import Store

    merge([Store(folder.parent / "store")], Store(folder / "store"))




JOBS: dict[str, Callable[[Path], None]] = {
    "extract": extract_job,
    "import": import_job,
    "train": train_job,
    "refit": refit_job,
    "merge": merge_job,
}


def count_calls(point: int, told: list[int]) -> None:
    """Wrap the calls: the process ends itself at the ``point``-th touch, as a kill would."""

    def touch() -> None:
        told[0] += 1
        if told[0] == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        touch()
        given = call(*arguments, **named)
        touch()
        return given

    for name in CALLS:
        setattr(os, name, partial(wrapped, getattr(os, name)))


def main() -> None:
    """Do a job, and be killed in it."""
    job, folder, point = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    told = [0]
    count_calls(point, told)
    JOBS[job](folder)
    print(told[0])


if __name__ == "__main__":
    main()
