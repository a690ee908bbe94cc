"""One contract for every entry of the table of data sets: one that makes a sample is tested with no test written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import write_clip, write_layout
from mimetic.datasets import DATASETS, open_dataset
from mimetic.records import Dataset, Entry

PARTS = {"train", "valid", "test", None}


def _described(root: Path) -> Path:
    write_clip(root / "a.mp4", seconds=0.1)
    (root / "labels.csv").write_text("File,joy\na.mp4,0.5\n")
    (root / "dataset.toml").write_text('table = "labels.csv"\n[columns]\npath = "File"\ntargets = ["joy"]\n')
    return root


def _table(root: Path) -> Path:
    root.mkdir()
    (root / "t.csv").write_text("text,part,person,joy\na,train,p1,0.5\nb,valid,p2,\n")
    return root / "t.csv"


def _files(root: Path) -> Path:
    write_clip(root / "deep" / "a.mp4", seconds=0.1)
    return root


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "described": _described,
    "hume": lambda root: write_layout(root, train=2, valid=1, test=1),
    "table": _table,
    "files": _files,
}
"""Of entries that make nothing themselves, the least that they open."""

SLOW = ("demo", "simulated")
HERE = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in DATASETS]


def loaded(target: str) -> Any:
    return Entry(target=target, about="").load()


def sample(name: str, root: Path) -> Path:
    """Write the least data set of a kind: by its own ``make``, if it has one."""
    if make := DATASETS[name].make:
        loaded(make)(root, size="small", seed=0, workers=0)
        return root
    if name not in SAMPLES:
        pytest.skip(f"{name} makes no sample: give it a `make`")
    return SAMPLES[name](root)


def check(dataset: Dataset) -> None:
    """Hold a data set to what everything else takes for granted."""
    ids = [clip.id for clip in dataset.clips]
    assert ids
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert dataset.labels.shape == (len(ids), len(dataset.targets))
    assert dataset.labels.dtype == np.float64
    assert not np.isinf(dataset.labels).any()
    assert {clip.part for clip in dataset.clips} <= PARTS
    assert all(len(column) == len(ids) for column in dataset.columns.values())
    assert all(clip.path or clip.text is not None or clip.words for clip in dataset.clips)
    assert dataset.name


@pytest.mark.parametrize("name", HERE)
def test_what_is_opened_is_whole_and_the_same_again(name: str, tmp_path: Path) -> None:
    path = sample(name, tmp_path / name)
    first, again = open_dataset(path), open_dataset(path)
    check(first)
    assert first.clips == again.clips
    np.testing.assert_array_equal(first.labels, again.labels)
    if DATASETS[name].recognise:
        assert loaded(DATASETS[name].recognise)(path)
        assert loaded(DATASETS[name].target)(path).clips == first.clips


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.recognise])
def test_what_is_no_data_set_is_not_taken_for_one(name: str, tmp_path: Path) -> None:
    recognise = loaded(DATASETS[name].recognise)
    (tmp_path / "empty").mkdir()
    assert not recognise(tmp_path / "empty")
    assert not recognise(tmp_path / "nowhere")


@pytest.mark.parametrize("name", HERE)
def test_a_kind_does_not_take_what_is_another_s(name: str, tmp_path: Path) -> None:
    """A path is opened by the first entry that recognises it: none above it may take it."""
    path = sample(name, tmp_path / name)
    opener = DATASETS[name].target
    first = next(entry for entry in DATASETS.values() if entry.recognise and loaded(entry.recognise)(path))
    assert first.target == opener
