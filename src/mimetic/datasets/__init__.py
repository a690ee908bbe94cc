"""Who is in it and what they felt. To add a data set: a file here, a line in the table.

``open_dataset`` asks the entries in order which of them recognises the path. What is *made* (``demo``) is written in
the layout of one that is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, Dataset, Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry(Entry):
    """A kind of data set. ``target`` opens it, ``recognise`` tells whether a path is one, ``make`` writes one."""

    recognise: str = ""
    make: str = ""


DATASETS: dict[str, DatasetEntry] = {
    "described": DatasetEntry(
        target="mimetic.datasets.table:open_description",
        recognise="mimetic.datasets.table:recognise_description",
        about="a CSV and a folder of clips, and a dataset.toml that says which column is what",
        licence="yours",
    ),
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
        make="mimetic.datasets.drawn:make",
        about="drawn faces, synthesised voices, written words; in the challenge's layout",
    ),
    "simulated": DatasetEntry(
        target="mimetic.datasets.hume:open_layout",
        make="mimetic.datasets.simulated:make",
        about="a twin of the challenge's data: features and labels, with a known ceiling; --size full, lite or small",
    ),
}


def open_dataset(path: Path) -> Dataset:
    """Open what stands at a path: a layout's folder, a CSV, a media file or a folder of them.

    >>> dataset = open_dataset(Path("DATA"))
    >>> len(dataset.clips), dataset.labels.shape, dataset.targets
    (16, (16, 2), ('Admiration', 'Joy'))

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
    remedy = "It needs train_split.csv (the challenge's layout), a dataset.toml, a CSV, or media files."
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
    alike = len({path.name for path in paths}) < len(paths)
    clips = tuple(
        replace(clip, id=f"{path.as_posix() if alike else path.name}/{clip.id}") if taken[clip.id] > 1 else clip
        for path, dataset in zip(paths, datasets, strict=True)
        for clip in dataset.clips
    )
    _check_ids(clips, "the data sets together")
    return Dataset(name="files", clips=clips, targets=(), labels=np.zeros((len(clips), 0)))


def with_words(dataset: Dataset, words: Mapping[str, str]) -> Dataset:
    """Give the data set with the words of one table for all clips; an id counts with its media suffix or without.

    Raises
    ------
    BadData
        if the table knows none of the clips.
    """
    texts = [words.get(clip.id, words.get(_without_suffix(clip.id))) for clip in dataset.clips]
    if not any(text is not None for text in texts):
        some = ", ".join(list(words)[:3]) or "none"
        raise BadData(f"the table of words has none of {dataset.name}'s clips", remedy=f"Its ids: {some} ...")
    clips = zip(dataset.clips, texts, strict=True)
    return replace(dataset, clips=tuple(clip if text is None else replace(clip, text=text) for clip, text in clips))


def _without_suffix(id_: str) -> str:
    path = PurePosixPath(id_)
    return str(path.with_suffix("")) if path.suffix.lower() in MEDIA_SUFFIXES else id_


def _check_ids(clips: Sequence[Clip], where: str) -> None:
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise BadData(f"two clips of {where} have the id {clip.id!r}", remedy="Ids have to differ.")
        seen.add(clip.id)
