"""Clips into the store: which shards are missing, who reads their clips, when they are written.

The unit of work is a shard of consecutive clips in the data set's order. A shard is done again when one of its
clips has no row made from the same source by the same feature, so a rerun does only what is missing, and a job
that was killed ends with the same bytes as one that was not. A clip's trouble is its reason, never the job's end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence

from mimetic.computed import read_computed
from mimetic.engines import work
from mimetic.extraction.fingerprints import source_of as source_of
from mimetic.extraction.summaries import Summary as Summary
from mimetic.features import Feature
from mimetic.licences import check_licences
from mimetic.records import Clip, Json, UsageError
from mimetic.shards import Means, Task
from mimetic.stocktaking import mend
from mimetic.store import Shard, Store, StoredFeature, digest, write_atomically
from mimetic.tuned import NAME as TUNED

SHARD = 32
"""Clips in a unit of work: what a kill can cost."""

STRANGERS = 8
"""Clips of known ids, all made from other files, from which on a store is taken for another data set's."""

ELSEWHERE = ""
"""Stands for the source of a clip that another machine's share has: nobody here has looked at it."""

LIMIT = 900.0
"""Processor seconds that one clip may take before it is given up."""


def extract(
    clips: Sequence[Clip],
    features: Sequence[Feature],
    store: Store,
    *,
    workers: int | None = None,
    device: str = "auto",
    limit: float = LIMIT,
    retry: bool = False,
    accepted: Collection[str] = (),
    share: tuple[int, int] = (0, 1),
    engine: str = "local",
    backend: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Summary]:
    """Bring every feature of every clip into the store, and say what fell short.

    >>> from pathlib import Path
    >>> from mimetic.features import features
    >>> done = extract([Clip(id="a", path=Path("clip.mp4"))], features(["logmel"]), Store("elsewhere"), workers=0)
    >>> done["logmel"].clips, done["logmel"].failures
    (1, [])

    Parameters
    ----------
    workers
        processes that decode and compute; as many as there are processors if not told, 0 for this one. On Ray, in
        each actor.
    device
        where pretrained models compute: auto, cpu, cuda (all of them) or mps.
    limit
        processor seconds that a clip's decoding may take; what takes more is a failure, and left alone.
    retry
        try again what failed before.
    accepted
        names of extractors whose licence the user has read and accepts; some ask for that.
    share
        ``(i, n)``: of n machines this is the one numbered i, from 0, and does its share; together they make the
        store that one would.
    engine
        who does the work, by its name in ``ENGINES``.
    backend
        what computes pretrained models on the CPU, by its name in ``BACKENDS``; ``auto`` tries those that are
        installed, and takes the fastest. If not told, what computed the store's rows so far, or torch. All give the
        same to 1e-4; a store's rows of a feature are of one.
    progress
        called with ``(clips done, clips to do)``.

    Raises
    ------
    UsageError
        if the store holds features of other clips that have the same ids, or a licence has not been accepted.
    MissingWeights
        if a model's files are not to be had.
    StoreError
        if imported features are damaged.
    """
    summaries = {feature.key: Summary(damaged=mend(store, feature.key)) for feature in features}
    tasks = _tasks(clips, features, store, share=share, retry=retry)
    clips = [clip for place, clip in enumerate(clips) if _is_ours(place // SHARD, share)]
    _check(tasks, accepted)
    for wanted in _features_of(tasks):
        _remember(wanted, store)
    done, total = 0, sum(len(task.clips) for task in tasks)
    progress(done, total)
    means = Means(backend=backend, workers=workers, device=device, limit=limit)
    for finished in work(tasks, store, means, engine=engine):
        if finished is None:
            done += 1
            progress(done, total)
            continue
        for key, spent in finished.seconds.items():
            summaries[key].spend(*spent)
    store.refresh()
    for feature in features if clips else ():
        _tidy(store, feature, clips)
        _count(store, feature, clips, summaries[feature.key])
        summaries[feature.key].computed = read_computed(store, feature.key)
    return summaries


def _is_ours(shard: int, share: tuple[int, int]) -> bool:
    return shard % share[1] == share[0]


def _tasks(
    clips: Sequence[Clip], features: Sequence[Feature], store: Store, *, share: tuple[int, int], retry: bool
) -> list[Task]:
    """Give the shards that are not there yet: which clips, and which features of them."""
    sources: dict[str, tuple[str, ...]] = {}
    missing: dict[int, tuple[Feature, ...]] = {}
    by_view: dict[str, tuple[str, ...]] = {}
    for feature in features:
        view = digest([feature.entry.view, feature.view_options.get("detector")])
        if view not in by_view:
            by_view[view] = tuple(
                source_of(clip, feature.entry.view, feature.view_options)
                if _is_ours(place // SHARD, share)
                else ELSEWHERE
                for place, clip in enumerate(clips)
            )
        sources[feature.key] = by_view[view]
        _refuse_strangers(store, feature, clips, sources[feature.key])
        current = _current(store, feature, clips, sources[feature.key], retry=retry)
        for index in range(-(-len(clips) // SHARD)):
            if _is_ours(index, share) and not all(current[index * SHARD : (index + 1) * SHARD]):
                missing[index] = (*missing.get(index, ()), feature)
    kept = {feature.key: _made_of(store, feature, clips) for feature in features}
    return [_task(index, clips, lacking, sources, kept) for index, lacking in sorted(missing.items())]


def _task(
    index: int,
    clips: Sequence[Clip],
    lacking: tuple[Feature, ...],
    sources: Mapping[str, tuple[str, ...]],
    kept: Mapping[str, frozenset[str]],
) -> Task:
    rows = slice(index * SHARD, (index + 1) * SHARD)
    ours, keys = tuple(clips[rows]), [feature.key for feature in lacking]
    ids = {clip.id for clip in ours}
    return Task(
        index=index,
        clips=ours,
        features=lacking,
        sources={key: sources[key][rows] for key in keys},
        kept={key: kept[key] & ids for key in keys},
    )


def _made_of(store: Store, feature: Feature, clips: Sequence[Clip]) -> frozenset[str]:
    if feature.key not in store:
        return frozenset()
    stored = store[feature.key]
    return frozenset(clip.id for clip in clips if clip.id in stored and _made(stored, clip))


def _features_of(tasks: Sequence[Task]) -> list[Feature]:
    return list({feature.key: feature for task in tasks for feature in task.features}.values())


def _check(tasks: Sequence[Task], accepted: Collection[str]) -> None:
    """Find out before work is done what cannot be made: imports, models that are not there, licences not accepted."""
    wanted = _features_of(tasks)
    for feature in wanted:
        if feature.entry.view == "imported":
            remedy = f"`mimetic import DATA PATH --as {feature.key}` brings them."
            raise UsageError(
                f"{feature.key} is imported, not extracted, and the store lacks clips of it", remedy=remedy
            )
    check_licences(wanted, accepted)
    for feature in wanted:
        feature.make()


def _refuse_strangers(store: Store, feature: Feature, clips: Sequence[Clip], sources: Sequence[str]) -> None:
    """Refuse to replace another data set's features, whose clips happen to have the same ids.

    Words are made anew so often, and so fast, that they may change all at once.
    """
    if feature.entry.view == "words" or feature.key not in store:
        return
    stored = store[feature.key]
    pairs = [
        (stored.source(clip.id), source)
        for clip, source in zip(clips, sources, strict=True)
        if clip.id in stored and source != ELSEWHERE and not _made(stored, clip)
    ]
    if len(pairs) >= STRANGERS and all(held != source for held, source in pairs):
        remedy = f"Give another --store; or delete {store.folder(feature.key)} if the clips have changed."
        message = f"{store.path} holds {feature.key} of other clips that have the same ids"
        raise UsageError(message, remedy=remedy)


def _current(
    store: Store, feature: Feature, clips: Sequence[Clip], sources: Sequence[str], *, retry: bool
) -> list[bool]:
    """Tell for each clip whether its row was made from the same source by the same feature."""
    if feature.key not in store:
        return [False] * len(clips)
    stored = store[feature.key]
    fits = {text: feature.matches(json.loads(text)) for text in {_spelt(shard.identity) for shard in stored.shards}}
    good = {shard.path for shard in stored.shards if fits[_spelt(shard.identity)]}
    return [
        clip.id in stored
        and stored.newest(clip.id).path in good
        and (_made(stored, clip) or (stored.source(clip.id) == source and not (retry and stored.reason(clip.id))))
        for clip, source in zip(clips, sources, strict=True)
    ]


def _spelt(identity: Json) -> str:
    return json.dumps(identity, sort_keys=True)


def _made(stored: StoredFeature, clip: Clip) -> bool:
    """Tell whether the clip's row was not extracted: imported or simulated, it stays as it is."""
    return "made" in stored.newest(clip.id).identity


def _remember(feature: Feature, store: Store) -> None:
    """Put what a checkpoint of our own has learned from beside its features, before the first of them is there."""
    told = feature.checkpoint / TUNED if feature.options.get("model") is not None else None
    if told is not None and told.is_file():
        write_atomically(store.folder(feature.key) / TUNED, told.read_bytes())


def _tidy(store: Store, feature: Feature, clips: Sequence[Clip]) -> None:
    """Remove the shards that newer ones have replaced: all their clips are in the data set, and none counts."""
    stored = store[feature.key]
    known = {clip.id for clip in clips}
    for shard in stored.shards:
        if known.issuperset(shard.clips) and not _counts(stored, shard):
            shard.path.unlink()
    store.refresh()


def _counts(stored: StoredFeature, shard: Shard) -> bool:
    return any(stored.newest(clip) is shard for clip in shard.clips)


def _count(store: Store, feature: Feature, clips: Sequence[Clip], summary: Summary) -> None:
    stored = store[feature.key]
    for clip in clips:
        reason = stored.reason(clip.id)
        summary.clips += 1
        summary.frames += stored.length(clip.id)
        if reason is not None:
            summary.failures.append((clip.id, reason))
