"""An encoder that has learned from every training clip, and none of them describes itself: one network a fold.

In goes what ``finetune`` takes, with one extractor that learns; out comes a folder that is an extractor like any other
(``mimetic.folded``), for fusions that are trained on the same clips.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from mimetic.checkpoints import weigh
from mimetic.devices import one_thread
from mimetic.features import Feature, feature
from mimetic.finetuning.bench import Bench, Progress, inputs_of, make_bench, make_tuner, open_lives
from mimetic.finetuning.keeping import ENCODERS, copy_words, save_encoder, whole_folder, write_record
from mimetic.finetuning.prepared import Prepared
from mimetic.finetuning.settings import Tuning
from mimetic.folded import FOLDS, fingerprint_inputs, fold_folder
from mimetic.licences import check_licences
from mimetic.records import BadData, Dataset, UsageError
from mimetic.store import Store, write_atomically
from mimetic.training import Watch

Rows = NDArray[np.intp]


def finetune_folds(
    dataset: Dataset,
    tuning: Tuning,
    store: Store,
    out: Path,
    *,
    folds: int,
    seed: int = 0,
    device: str = "auto",
    accepted: Collection[str] = (),
    watch: Watch = lambda _recipe, _seed, _line: None,
    progress: Progress = lambda _done, _total: None,
) -> Feature:
    """Train one extractor once a fold; give the feature that all of them together are.

    Clips of the same content are in one fold. What is finished is not done again, nor a fold of it.

    Raises
    ------
    UsageError
        if not exactly one extractor learns.
    BadData
        if there are fewer training clips than folds.
    """
    if len(tuning.live) != 1 or len(tuning.recipe.parts) != 1:
        raise UsageError("folds are for one extractor alone", remedy="Give one --extractor, and no recipe.")
    wanted = feature(tuning.live[0])
    check_licences([wanted], accepted)
    whole = make_bench(dataset, tuning, store, out, seed=seed, device=device)
    place = out / ENCODERS / f"{wanted.name}-{folds}-folds-{whole.signature.run[:8]}"
    if not place.is_dir():
        prepared = whole.world.led(lambda: inputs_of(whole, wanted, progress))
        cuts = _cut(prepared, whole.split.train, folds)
        parts = [_fold(whole, np.setdiff1d(whole.split.train, cut), out, watch, progress) for cut in cuts]
        if whole.world.leads:
            _gather(whole, wanted, prepared, cuts, parts, place)
        whole.world.wait()
    others = [pair for pair in wanted.key.split("+")[1:] if not pair.startswith("model=")]
    return feature("+".join([wanted.name, *others, f"model={place.absolute()}"]))


def _cut(prepared: Prepared, train: Rows, folds: int) -> list[Rows]:
    """Cut the training clips into folds; those of the same content stay together."""
    contents = [_content(prepared, clip) for clip in train.tolist()]
    if (several := len(set(contents))) < folds:
        raise BadData(
            f"there are {several} different training clips, too few for {folds} folds", remedy="Ask for fewer."
        )
    return [train[held] for _, held in GroupKFold(folds).split(train, groups=contents)]


def _content(prepared: Prepared, clip: int) -> str:
    return " ".join(map(fingerprint_inputs, prepared[clip]))


def _fold(whole: Bench, train: Rows, out: Path, watch: Watch, progress: Progress) -> Path:
    """Train on these clips, and write the checkpoint, unless it is there."""
    bench = make_bench(
        whole.dataset, whole.tuning, whole.store, out, seed=whole.seed, device=str(whole.device), train=train
    )
    place = out / ENCODERS / f"{feature(whole.tuning.live[0]).name}-{bench.signature.run[:8]}"
    if place.is_dir():
        return place
    lives = open_lives(bench, progress)
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(bench.seed)
        tuner, unwrap = make_tuner(bench, lives)
        for line in tuner.run():
            watch(bench.tuning.recipe, bench.seed, line)
    unwrap()
    if bench.world.leads:
        save_encoder(bench, lives[0], out)
    bench.world.wait()
    return place


def _gather(
    whole: Bench, wanted: Feature, prepared: Prepared, cuts: Sequence[Rows], parts: Sequence[Path], place: Path
) -> None:
    """Put the folds' checkpoints into one folder, with what each has not learned from."""
    unseen = [sorted({fingerprint_inputs(i) for clip in cut.tolist() for i in prepared[clip]}) for cut in cuts]
    with whole_folder(place) as beside:
        copy_words(wanted.checkpoint, beside)
        for fold, part in enumerate(parts):
            shutil.copytree(part, fold_folder(beside, fold))
        told = {"format": 1, "weights": [weigh(part) for part in parts], "unseen": unseen}
        write_atomically(beside / FOLDS, (json.dumps(told) + "\n").encode())
        write_record(whole, wanted, beside)
    for part in parts:
        shutil.rmtree(part)
