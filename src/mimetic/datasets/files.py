"""Media files, and folders of them, as a data set without labels: for what needs none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, Dataset


def recognise(path: Path) -> bool:
    """Tell whether the path is a file, or a folder with media somewhere in it."""
    return path.is_file() or (path.is_dir() and any(_media(path)))


def open_files(path: Path) -> Dataset:
    """Open a file as one clip, or every media file of a folder, at any depth, as one each.

    The id is the path below the folder, with its suffix: ``a.mp4`` and ``a.wav`` are two clips.
    """
    if path.is_file():
        clips = [Clip(id=path.name, path=path)]
    else:
        clips = [Clip(id=file.relative_to(path).as_posix(), path=file) for file in _media(path)]
    if not clips:
        raise BadData(f"{path} holds no media files", remedy=f"Looked for: {', '.join(sorted(MEDIA_SUFFIXES))}.")
    return Dataset(
        name=path.resolve().name,
        clips=tuple(clips),
        targets=(),
        labels=np.zeros((len(clips), 0)),
        store=path / "features" if path.is_dir() else None,
    )


def _media(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file())
    return sorted(path for path in files if not path.name.startswith("."))
