"""Jobs that are killed at chosen points and at random ones, and go on: their names in; how often each survived out.

Points are what the product does to make a file last: flushing it, renaming it, removing one; before each and after it.
Nothing of the product knows of this: the calls are wrapped here, in a process of the test's own, forked
from one that has its imports done.

    python tests/killed.py [--points N] [--random N] [--job NAME]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

CALLS = ("fsync", "replace", "rename", "unlink")
"""What is counted: ``os``'s own; pathlib goes through them."""

KEPT = (".arrow", ".safetensors", ".json", ".jsonl")
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
    from mimetic.training.material import Shelf
    from mimetic.training.refitting import refit

    (run,) = [run for run in runs_of([folder.parent / "runs"]) if not run.refit]
    refit(run, Shelf(dataset_of(folder), Store(folder.parent / "store")), folder / "runs")


def merge_job(folder: Path) -> None:
    from mimetic.stocktaking import merge
    from mimetic.store import Store

    merge([Store(folder.parent / "store")], Store(folder / "store"))


def finetune_job(folder: Path) -> None:
    from mimetic.features import feature
    from mimetic.finetuning import Tuning, alone, finetune
    from mimetic.recipes import Fit
    from mimetic.store import Store

    key = feature(f"minilm+model={folder.parent / 'encoder'}").key
    recipe = alone(key, fit=Fit(epochs=2, clips=4, rate=1e-2))
    tuning = Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.0)
    finetune(dataset_of(folder), tuning, Store(folder / "store"), folder / "runs", workers=0)


JOBS: dict[str, Callable[[Path], None]] = {
    "extract": extract_job,
    "import": import_job,
    "train": train_job,
    "refit": refit_job,
    "merge": merge_job,
    "finetune": finetune_job,
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


def contents(folder: Path) -> dict[str, bytes]:
    """Give all that can be seen in a folder; what a killed job half wrote has a hidden name.

    A feature of a tuned encoder is named by where that lies: the folder's own place is left out of names and files.
    """
    places = [(place, place.encode()) for place in (str(folder), quote(str(folder), safe=""))]
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in KEPT)
    seen = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(files)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    for name, place in places:
        seen = {path.replace(name, "."): content.replace(place, b".") for path, content in seen.items()}
    return seen


def in_child(job: str, folder: Path, point: int) -> tuple[int, int]:
    """Do a job in a process forked from this one, whose imports are done; give how it ended, and its touches."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        told = [0]
        count_calls(point, told)
        try:
            JOBS[job](folder)
            os.write(theirs, str(told[0]).encode())
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{job} in {folder}: {type(error).__name__}: {error}\n")
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        told_back = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(told_back or 0)


def readable(folder: Path) -> None:
    """Read all that can be seen, as a reader beside the job would."""
    from mimetic.runs import Run
    from mimetic.store import Store

    store = Store(folder / "store")
    for key in store.keys():  # noqa: SIM118
        assert all(shard.verify() for shard in store[key].shards)
    for config in (folder / "runs").glob("*/seed-*/config.json"):
        assert Run(config.parent).outcome.clips


def kills(job: str, place: Path, points: int) -> dict[str, int]:
    """Kill a job at some points, evenly spread, or at all; resume it each time, and compare with one left alone."""
    whole = place / f"{job}-whole"
    code, touches = in_child(job, whole, 0)
    assert code == 0, job
    expected = contents(whole)
    assert expected
    step = max(1, touches // points) if points else 1
    killed = 0
    for point in range(1, touches + 1, step):
        folder = place / f"{job}-{point}"
        code, _ = in_child(job, folder, point)
        assert code == -signal.SIGKILL, (job, point, code)
        killed += 1
        readable(folder)
        code, _ = in_child(job, folder, 0)
        assert code == 0, (job, point)
        assert contents(folder) == expected, (job, point)
        shutil.rmtree(folder)
    return {"touches": touches, "kills": killed}


def at_random(job: str, place: Path, times: int, seed: int) -> dict[str, int]:
    """Kill a job at moments drawn at random, again and again, until it is through; compare."""
    whole = place / f"{job}-again"
    started = time.monotonic()
    assert in_child(job, whole, 0)[0] == 0
    took, expected = time.monotonic() - started, contents(whole)
    draw, killed, folder = random.Random(seed), 0, place / f"{job}-random"
    for _ in range(times):
        child = os.fork()
        if not child:
            JOBS[job](folder)
            os._exit(0)
        time.sleep(draw.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        readable(folder)
        if draw.random() < 0.3:
            shutil.rmtree(folder, ignore_errors=True)
    assert in_child(job, folder, 0)[0] == 0
    assert contents(folder) == expected, job
    return {"kills": killed}


def prepare(place: Path) -> None:
    """Make what the jobs start from: clips, their features, features of others, and a run."""
    import numpy as np

    from clips import write_layout
    from tiny_text import make_text

    write_layout(place / "data")
    make_text(place / "encoder")
    (place / "theirs").mkdir()
    for number in range(10):
        np.save(place / "theirs" / f"{number:05d}.npy", np.full((4, 3), number, np.float32))
    for job, made in (("extract", "store"), ("train", "runs")):
        JOBS[job](place / "first")
        (place / "first" / made).rename(place / made)


def main() -> None:
    """Kill every job; print how often as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=0, help="of each job, evenly spread; 0: all")
    parser.add_argument("--random", type=int, default=0, help="kills at random moments, of each job")
    parser.add_argument("--job", action="append", choices=JOBS)
    told = parser.parse_args()
    found: dict[str, dict[str, dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place)
        for job in told.job or JOBS:
            found[job] = {"chosen": kills(job, place, told.points)}
            if told.random:
                found[job]["random"] = at_random(job, place, told.random, seed=len(job))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
