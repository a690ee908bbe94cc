"""Which backend computes a store's features: chosen once a feature, recorded beside its rows, made ready when needed.

::

    STORE/<feature>/computed.json    the backend and its version; how far its rows are from float32's, if they are
                   /int8/            the network in int8, whose ranges were measured on the store's first clips

A feature that torch computes in float32 has no such record.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mimetic.backends import AUTO, INT8, RECORD, Converted, check_backend
from mimetic.converting import Order, Ready, convert, precision_of
from mimetic.devices import choose_device
from mimetic.features import Feature
from mimetic.models import ModelEntry
from mimetic.parallel import Lost, unordered
from mimetic.records import Clip, Json, MimeticError, StoreError, UsageError
from mimetic.shards import Means
from mimetic.store import Store, digest, write_atomically

PASSING = ".converted"
"""The beginning of the name of a folder in the store with networks that one extraction has converted."""

FEW = 32
"""Clips up to which ``auto`` does not convert: that alone would take longer."""


def read_computed(store: Store, key: str) -> Json:
    """Read how a feature's rows were computed; empty where torch did, in float32.

    Raises
    ------
    StoreError
        if the record cannot be read.
    """
    path = store.folder(key) / RECORD
    try:
        told = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read ({error})", remedy=AGAIN.format(path.parent)) from None
    if not isinstance(told, dict):
        raise StoreError(f"{path} is no record of who computed", remedy=AGAIN.format(path.parent))
    return told


AGAIN = "Remove {} and extract it again."


@contextmanager
def ready(
    features: Sequence[Feature],
    clips: Sequence[Clip],
    store: Store,
    means: Means,
) -> Iterator[Mapping[str, Converted]]:
    """Give, by feature, which backend computes; networks are converted, and at the end of the work given up.

    Raises
    ------
    MissingExtra
        if it is not installed.
    UsageError
        if the store's rows were computed with another one, it does not know a feature's precision, or it was told
        for another device than the CPU.
    """
    heavy = tuple(feature for feature in features if isinstance(feature.entry, ModelEntry))
    if not heavy or choose_device(means.device) != "cpu":
        if heavy and means.backend not in (None, "torch", AUTO):
            raise UsageError(f"the backend {means.backend} computes on the CPU", remedy="Give --device cpu.")
        yield {}
        return
    backends = {feature.key: _backend(feature, store, means.backend, len(clips)) for feature in heavy}
    folder = store.path / f"{PASSING}.{os.getpid()}"
    places = {feature.key: _place(feature, store, folder) for feature in heavy}
    known = {f.key: Converted(INT8_BY, INT8, places[f.key]) for f in heavy if _is_made(f, store, places[f.key])}
    fresh = tuple(f for f in heavy if f.key not in known and (backends[f.key] != "torch" or _is_news(f, store)))
    _sweep(store.path)
    try:
        order = Order(features=fresh, backends=backends, places=places, clips=tuple(clips))
        made = _apart(order, means.workers) if fresh else {}
        for key, each in made.items():
            told = {**each.told, **({NETWORK: _digest(places[key])} if _is_kept(places[key]) else {})}
            write_atomically(store.folder(key) / RECORD, (json.dumps(told, indent=1) + "\n").encode())
        yield {**known, **{key: each.converted for key, each in made.items()}}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


INT8_BY = "openvino"
"""The backend that computes in int8."""


def _backend(feature: Feature, store: Store, told: str | None, clips: int) -> str:
    """Choose a feature's backend: the one its rows were computed with, if there are rows."""
    precision = precision_of(feature)
    before = str(read_computed(store, feature.key).get("backend", "torch")) if feature.key in store else None
    if told not in (None, AUTO, before) and before is not None:
        remedy = f"Leave out --backend, give --backend {before}, or another --store."
        raise UsageError(f"{store.path} holds {feature.key} computed with {before}", remedy=remedy)
    usual = INT8_BY if precision == INT8 else "torch"
    if told == AUTO and before is None and (precision == INT8 or clips > FEW):
        return AUTO
    name = before or (usual if told is None or told == AUTO else told)
    check_backend(name, precision)
    return name


def _place(feature: Feature, store: Store, folder: Path) -> Path:
    if precision_of(feature) == INT8:
        return store.folder(feature.key) / INT8
    return folder / store.folder(feature.key).name


NETWORK = "network"
"""What a record calls the digest of a network that is kept beside it."""


def _is_made(feature: Feature, store: Store, place: Path) -> bool:
    """Tell whether the network in int8 is there: its ranges are measured once.

    Raises
    ------
    StoreError
        if it is not the one that the rows were computed with.
    """
    told = read_computed(store, feature.key)
    if precision_of(feature) != INT8 or not place.is_dir() or not told:
        return False
    if told.get(NETWORK, _digest(place)) != _digest(place):
        raise StoreError(f"the network in {place} is not as it was written", remedy=AGAIN.format(place.parent))
    return True


def _is_kept(place: Path) -> bool:
    return place.name == INT8 and place.is_dir()


def _digest(folder: Path) -> str:
    """Cover the names and contents of a folder's files."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return digest([[path.name, hashlib.blake2b(path.read_bytes()).hexdigest()] for path in files], size=16)


def _is_news(feature: Feature, store: Store) -> bool:
    """Tell whether it is still to be found out how far a feature's rows are from float32's."""
    return precision_of(feature) != "fp32" and not read_computed(store, feature.key)


def _apart(order: Order, workers: int | None) -> dict[str, Ready]:
    """Convert in a process of its own, which leaves nothing behind in this one; here, where all work is done here."""
    for place in order.places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    if workers == 0:
        return convert(order)
    ((_, made),) = unordered(_Converts(), [order], workers=1)
    if isinstance(made, Lost):
        raise MimeticError(f"the conversion of networks {made.reason}", remedy="Go without --backend.")
    return made


class _Converts:
    """Makes what converts; pickled on the way to its process."""

    def __call__(self) -> Callable[[Order], dict[str, Ready]]:
        return convert


def _sweep(folder: Path) -> None:
    """Remove what an extraction has left that was killed."""
    for left in folder.glob(f"{PASSING}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
