"""Pretrained encoders, trained on the labels themselves: alone with a head, or several at once through a fusion.

In go a data set, its store and a ``Tuning``; out come checkpoints that are extractors like any other
(``minilm+model=OUT/encoders/...``) and a finished run on their features, which ``predict`` and the rest take as every
run. The features themselves are extracted the ordinary way, so that a raw clip and a stored one are the same to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import torch

from mimetic.devices import one_thread
from mimetic.extraction import extract
from mimetic.features import feature
from mimetic.finetuning.bench import Bench, Progress, make_bench, make_tuner, open_lives
from mimetic.finetuning.keeping import finish, on_checkpoints, save_encoder
from mimetic.finetuning.live import Live
from mimetic.finetuning.loop import Tuner
from mimetic.finetuning.settings import Tuning as Tuning
from mimetic.finetuning.settings import alone as alone
from mimetic.finetuning.settings import with_choices as with_choices
from mimetic.licences import check_licences
from mimetic.records import Dataset
from mimetic.runs import Run, find_run
from mimetic.store import Store
from mimetic.training import Watch


def finetune(
    dataset: Dataset,
    tuning: Tuning,
    store: Store,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    accepted: Collection[str] = (),
    watch: Watch = lambda _recipe, _seed, _line: None,
    progress: Progress = lambda _done, _total: None,
) -> Run:
    """Train a recipe's extractors with it; give the finished run on what they have become.

    A tuning that is finished is not done again; one that was stopped goes on from where it has last written down how
    far it is, and ends with the same weights. Under ``torchrun`` (``mimetic.world``) all processes train it together,
    each the same as one would; the one that leads writes.

    Raises
    ------
    BadData
        if the split has no training or validation clips, or the data set no targets.
    StoreError
        if the store lacks a feature that does not learn.
    UsageError
        for a licence that has not been accepted, a device that this machine does not have, or more processes than
        a step has lots.
    """
    check_licences([feature(name) for name in tuning.live], accepted)
    bench = make_bench(dataset, tuning, store, out, seed=seed, device=device)
    if (finished := find_run(out, bench.signature)) is not None:
        return finished
    lives = bench.world.led(lambda: open_lives(bench, progress))
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        tuner, unwrap = make_tuner(bench, lives)
        for line in tuner.run():
            watch(tuning.recipe, seed, line)
    unwrap()
    if bench.world.leads:
        _keep(bench, tuner, lives, out, workers=workers, device=device, accepted=accepted, progress=progress)
    bench.world.wait()
    run = find_run(out, bench.signature)
    assert run is not None
    return run


def _keep(
    bench: Bench,
    tuner: Tuner,
    lives: Mapping[int, Live],
    out: Path,
    *,
    workers: int | None,
    device: str,
    accepted: Collection[str],
    progress: Progress,
) -> None:
    """Write the checkpoints, extract their features, and write the run on them."""
    places = {number: save_encoder(bench, live, out) for number, live in lives.items()}
    recipe = on_checkpoints(bench, places)
    wanted = [feature(recipe.parts[number].feature) for number in places]
    clips = bench.dataset.clips
    extract(clips, wanted, bench.store, workers=workers, device=device, accepted=accepted, progress=progress)
    finish(bench, recipe, tuner, out)
    shutil.rmtree(bench.work, ignore_errors=True)
