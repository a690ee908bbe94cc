"""Who makes the shards that are missing: processes of this machine, or a cluster. Tasks in; shards in the store out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mimetic.backends import Converted
from mimetic.computed import ready
from mimetic.conveying import convey, convey_here
from mimetic.devices import devices_of
from mimetic.models import ModelEntry
from mimetic.parallel import processors
from mimetic.records import Entry, find
from mimetic.shards import Done, Means, Task, write
from mimetic.store import Store

ENGINES: Mapping[str, Entry] = {
    "local": Entry(target="mimetic.engines:work_here", about="processes of this machine"),
    "ray": Entry(target="mimetic.cluster:work_on_ray", about="a Ray cluster, or one of this machine", extra="scale"),
}
"""By name. What they write is the same."""


def work(tasks: Sequence[Task], store: Store, means: Means, *, engine: str) -> Iterator[Done | None]:
    """Yield ``None`` for each clip read, and for each shard, once it is in the store, what it took.

    Shards that lack the same features go through the same crews, so that a worker builds its extractors once.
    """
    groups: dict[tuple[str, ...], list[Task]] = {}
    for task in tasks:
        groups.setdefault(tuple(feature.key for feature in task.features), []).append(task)
    store.path.mkdir(parents=True, exist_ok=True)
    done_by = find(ENGINES, engine, "engine").load()
    for group in groups.values():
        clips = [clip for task in group for clip in task.clips]
        with ready(group[0].features, clips, store, means) as converted:
            yield from done_by(group, store, means, converted)


def work_here(
    tasks: Sequence[Task], store: Store, means: Means, converted: Mapping[str, Converted]
) -> Iterator[Done | None]:
    """Do tasks that want the same features on this machine; yield as ``extract`` counts."""
    features = tasks[0].features
    heavy = any(isinstance(feature.entry, ModelEntry) for feature in features)
    devices = devices_of(means.device) if heavy else ("cpu",)
    clips = [task.clips for task in tasks]
    workers = processors() if means.workers is None else means.workers
    if workers == 0:
        results = convey_here(features, clips, device=devices[0], folder=store.path, converted=converted)
    else:
        results = convey(
            features,
            clips,
            workers=workers,
            devices=devices,
            limit=means.limit,
            folder=store.path,
            converted=converted,
        )
    waiting = iter(tasks)
    for result in results:
        yield None if result is None else write(next(waiting), result, store)
