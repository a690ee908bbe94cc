"""What is in a store, whether it is whole, and several made into one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimetic.backends import INT8, RECORD
from mimetic.records import Json, StoreError, UsageError
from mimetic.soundness import set_aside
from mimetic.store import SUFFIX, DamagedShard, Shard, Store, StoredFeature, damaged, whole
from mimetic.tuned import NAME as TUNED

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """One feature of a store. ``short`` counts the clips that have no track, or only a part of one."""

    feature: str
    model: str
    made: str
    clips: int
    short: int
    rows: int
    bytes: int

    def as_json(self) -> Json:
        """Give the holding as ``--json`` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


def take_stock(store: Store) -> list[Holding]:
    """Count what a store holds.

    Raises
    ------
    UsageError
        if there is no such store.
    StoreError
        for a shard that cannot be read.
    """
    return [_holding(key, store[key]) for key in _keys(store)]


def _holding(key: str, stored: StoredFeature) -> Holding:
    identity = stored.shards[-1].identity
    return Holding(
        feature=key,
        model=str(identity.get("model", "none")),
        made="imported" if isinstance(identity.get("made"), dict) else str(identity.get("made", "extracted")),
        clips=len(stored),
        short=sum(stored.reason(clip) is not None for clip in stored),
        rows=sum(stored.length(clip) for clip in stored),
        bytes=sum(shard.path.stat().st_size for shard in stored.shards),
    )


def verify(store: Store, *, progress: Progress = lambda _done, _total: None) -> list[str]:
    """Read every byte of a store; give one line a shard that is not as it was written.

    Raises
    ------
    UsageError
        if there is no such store.
    """
    paths = [path for key in _keys(store) for path in sorted(store.folder(key).glob(f"*{SUFFIX}"))]
    faults: list[str] = []
    progress(0, len(paths))
    for done, path in enumerate(paths, start=1):
        faults += _faults(path)
        progress(done, len(paths))
    return faults


def mend(store: Store, key: str, *, imported: bool = False) -> list[str]:
    """Set a feature's damaged shards aside, so that they are made again; every byte that is kept is looked at.

    Parameters
    ----------
    imported
        whether what was imported may be set aside too, since whoever asks brings it again.

    Raises
    ------
    StoreError
        for imported features that are damaged: extraction would put others in their place.
    """
    found = [(path, fault) for path in sorted(store.folder(key).glob(f"*{SUFFIX}")) for fault in _damage(path)]
    if found and not imported and _is_imported(store, key):
        raise StoreError(found[0][1], remedy="Import it again.")
    for path, _ in found:
        set_aside(path)
    if found:
        store.refresh()
    return [fault for _, fault in found]


def _damage(path: Path) -> Iterator[str]:
    try:
        if not Shard(path).sound:
            yield f"the shard {path} is damaged (its bytes are not those that were written)"
    except DamagedShard as error:
        if path.exists():  # else a writer beside has replaced it
            yield error.message


def _is_imported(store: Store, key: str) -> bool:
    """Tell whether a shard that can be opened says that others made it."""
    for path in sorted(store.folder(key).glob(f"*{SUFFIX}")):
        try:
            if "made" in Shard(path).identity:
                return True
        except DamagedShard:
            continue
    return False


def _faults(path: Path) -> Iterator[str]:
    try:
        if not Shard(path).verify():
            yield str(damaged(path, "its bytes are not those that were written"))
    except StoreError as error:
        yield str(error)


def merge(stores: Sequence[Store], into: Store, *, progress: Progress = lambda _done, _total: None) -> list[Holding]:
    """Copy the shards of several stores into one, which may be there already. What is there is not copied again.

    The times of files are kept, since of a clip that stands in several shards the newest counts.

    Raises
    ------
    UsageError
        if there is no such store, or two hold a feature that was computed differently: nothing is copied then.
    """
    stores = [store for store in stores if store.keys() or not _is_empty(store)]  # a share may have had no clips
    held = [*stores, *([into] if into.path.is_dir() and into.keys() else [])]
    for key in sorted({key for store in held for key in _keys(store)}):
        _refuse_differing(key, [store for store in held if key in store])
    shards = [(store, shard) for store in stores for key in _keys(store) for shard in store[key].shards]
    progress(0, len(shards))
    for beside in (path for store in stores for key in _keys(store) for path in _beside(store.folder(key))):
        _copy(beside, into.path / beside.relative_to(beside.parents[1 + (beside.parent.name == INT8)]))
    for done, (store, shard) in enumerate(shards, start=1):
        _copy(shard.path, into.path / shard.path.relative_to(store.path))
        progress(done, len(shards))
    into.refresh()
    return take_stock(into)


def _beside(folder: Path) -> list[Path]:
    """Give the files that lie beside a feature's shards, and belong to them."""
    return [path for path in (folder / TUNED, folder / RECORD, *folder.glob(f"{INT8}/*")) if path.is_file()]


def _computed(folder: Path) -> str:
    """Say who computed a feature's rows; in int8, with which ranges."""
    path = folder / RECORD
    told: Json = json.loads(path.read_text("utf-8")) if path.is_file() else {"backend": "torch"}
    known = {name: told[name] for name in ("backend", "precision") if name in told}
    return " ".join(map(str, [*known.values(), *(told.get("distance") or {}).values()]))


def _refuse_differing(key: str, stores: Sequence[Store]) -> None:
    by = {_computed(store.folder(key)): store for store in stores}
    if len(by) > 1:
        one, other, *_ = by
        message = f"{by[one].path} and {by[other].path} hold {key} computed by {one} and by {other}"
        raise UsageError(message, remedy="Extract one of them again, with the other's --backend.")
    identities = [(store, shard.identity) for store in stores for shard in store[key].shards]
    for store, identity in identities[1:]:
        if identity != (first := identities[0][1]):
            names = ", ".join(name for name in {**first, **identity} if first.get(name) != identity.get(name))
            message = f"{identities[0][0].path} and {store.path} hold {key} computed differently ({names})"
            raise UsageError(message, remedy="Extract one of them again.")


def _copy(source: Path, target: Path) -> None:
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return  # its name is a digest of what it holds the features of
    with whole(target) as beside:
        shutil.copyfile(source, beside)
    times = source.stat()
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _is_empty(store: Store) -> bool:
    return store.path.is_dir() and not any(store.path.iterdir())


def _keys(store: Store) -> list[str]:
    if not store.path.is_dir() or not (keys := store.keys()):
        raise UsageError(
            f"{store.path} is no store", remedy="A store has a folder for each feature, with .arrow files."
        )
    return keys
