"""Tables that pandas pickled and compressed, as some of the field's texts are kept: told, not read."""

from __future__ import annotations

from typing import NoReturn

from mimetic.records import ClipError


def read(_: bytes) -> NoReturn:
    """Say what to do instead: a pickled table runs code when it is opened."""
    raise ClipError("is a pickled table of pandas, which is not read: write it with to_csv where you trust it")
