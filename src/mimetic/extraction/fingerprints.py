"""A clip and a view in, a fingerprint of what the view is made from out: what changes when the clip's files do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mimetic.media import fingerprint
from mimetic.records import Clip, ClipError
from mimetic.words import find_words


def source_of(clip: Clip, view: str, view_options: Mapping[str, object]) -> str:
    """Give the fingerprint of what a view of the clip is made from: its file, its words or its given faces."""
    if view == "words":
        return _hash(clip.text) if clip.text is not None else _fingerprint(find_words(clip))
    if view == "faces" and view_options.get("detector") == "given":
        return _crops(clip.faces)
    return _fingerprint(clip.path)


def _crops(folder: Path | None) -> str:
    """Cover every crop's name and size, and the bytes of the first, the middle and the last.

    To read them all would take minutes of every start; other crops of the same sizes in between go unseen.
    """
    crops = sorted(crop for crop in folder.iterdir() if crop.is_file()) if folder and folder.is_dir() else []
    read = dict.fromkeys((crops[0], crops[len(crops) // 2], crops[-1])) if crops else {}
    names = [f"{crop.name} {crop.stat().st_size}" for crop in crops]
    return _hash("\n".join([*names, *(_fingerprint(crop) for crop in read)]))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _fingerprint(path: Path | None) -> str:
    try:
        return fingerprint(path) if path is not None else "absent"
    except ClipError:
        return "absent"
