"""Licences that ask for more than to be named: whoever uses such a model says that he has read and accepts it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from mimetic.features import Feature
from mimetic.records import UsageError

ACCEPT = "MIMETIC_ACCEPT"
"""The environment variable with the names of extractors whose licence is accepted, separated by commas."""


def check_licences(features: Iterable[Feature], accepted: Collection[str] = ()) -> None:
    """Refuse extractors with a licence to accept that nobody has accepted, here or in ``$MIMETIC_ACCEPT``.

    Raises
    ------
    UsageError
        with the licence, and how it is accepted.
    """
    known = {*accepted, *(name.strip() for name in os.environ.get(ACCEPT, "").split(","))}
    for wanted in features:
        if wanted.entry.restricted and wanted.name not in known:
            remedy = f"If yours is a use that it allows: --accept {wanted.name}, or {ACCEPT}={wanted.name}."
            told = f"{wanted.name} ({wanted.entry.model}) has a licence to accept: {wanted.entry.licence}"
            raise UsageError(told, remedy=remedy)
