"""Who is in it and what they felt. To add a data set: a file here, a line in the table.

``open_dataset`` asks the entries in order which of them recognises the path. What is *made* (``demo``) is written in
the layout of one that is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimetic.records import BadData, Clip, Dataset, Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry(Entry):
    """A kind of data set. ``target`` opens it, ``recognise`` tells whether a path is one, ``make`` writes one."""

    recognise: str = ""
    make: str = ""


DATASETS: dict[str, DatasetEntry] = {
    "hume": DatasetEntry(
        target="mimetic.datasets.hume:open_layout",
        recognise="mimetic.datasets.hume:recognise",
        about="the challenge's layout: train_split.csv, valid_split.csv, raw/, test_data/",
        licence="its own agreement",
    ),
    "table": DatasetEntry(
        target="mimetic.datasets.table:open_table",
        recognise="mimetic.datasets.table:recognise",
        about="any CSV with a path or text column and numeric targets",
        licence="yours",
    ),
    "files": DatasetEntry(
        target="mimetic.datasets.files:open_files",
        recognise="mimetic.datasets.files:recognise",
        about="media files and folders of them, without labels",
        licence="yours",
    ),
    "demo": DatasetEntry(
        target="mimetic.datasets.hume:open_layout",
        make="mimetic.datasets.demo:make",
        about="drawn faces, synthesised voices, written words; in the challenge's layout",
    ),
}


def open_dataset(path: Path) -> Dataset:
    """Open what stands at a path: a layout's folder, a CSV, a media file or a folder of them.

    Raises
    ------
    BadData
        if there is nothing, or nothing that any entry recognises.
    """
    if not path.exists():
        raise BadData(f"there is no {path}", remedy="Give a data set's folder, a CSV, or media files.")
    for entry in DATASETS.values():
        if entry.recognise and Entry(target=entry.recognise, about="").load()(path):
            dataset: Dataset = entry.load()(path)
            return dataset
    remedy = "It needs train_split.csv (the challenge's layout), a CSV, or media files."
    raise BadData(f"{path} is no data set", remedy=remedy)


def open_datasets(paths: Sequence[Path]) -> Dataset:
    """Open several paths as one: for what needs no labels, such as extraction.

    An id that stands in two of them is told apart by its folder's name.
    """
    datasets = [open_dataset(path) for path in paths]
    if len(datasets) == 1:
        return datasets[0]
    taken: dict[str, int] = {}
    for dataset in datasets:
        for clip in dataset.clips:
            taken[clip.id] = taken.get(clip.id, 0) + 1
    clips = tuple(
        _renamed(clip, path.name) if taken[clip.id] > 1 else clip
        for path, dataset in zip(paths, datasets, strict=True)
        for clip in dataset.clips
    )
    _check_ids(clips, "the data sets together")
    return Dataset(name="files", clips=clips, targets=(), labels=np.zeros((len(clips), 0)))


def with_words(dataset: Dataset, words: Mapping[str, str]) -> Dataset:
    """Give the data set with the words of one table for all: what the table lacks is missing."""
    clips = tuple(
        Clip(id=c.id, path=c.path, text=words[c.id], faces=c.faces, part=c.part) if c.id in words else c
        for c in dataset.clips
    )
    return Dataset(name=dataset.name, clips=clips, targets=dataset.targets, labels=dataset.labels, store=dataset.store)


def _renamed(clip: Clip, folder: str) -> Clip:
    return Clip(
        id=f"{folder}/{clip.id}",
        path=clip.path,
        words=clip.words,
        text=clip.text,
        faces=clip.faces,
        part=clip.part,
    )


def _check_ids(clips: Sequence[Clip], where: str) -> None:
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise BadData(f"two clips of {where} have the id {clip.id!r}", remedy="Ids have to differ.")
        seen.add(clip.id)
