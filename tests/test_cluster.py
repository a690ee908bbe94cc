"""Two Ray nodes on one machine: the store that one machine makes, though a node is killed; a deadly clip named once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import mimetic
import mimetic.extraction
from mimetic.cluster import REASON
from mimetic.extraction import extract
from mimetic.records import Clip, MissingExtra, UnknownName
from mimetic.store import Store
from toy_model import deadly

CLIPS = [Clip(id=f"{i:02d}", text=f"slow words number {i}") for i in range(18)]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """Start two nodes of one processor each, which know these tests."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'mimetic[scale]'")
    paths = os.pathsep.join([str(Path(mimetic.__file__).parents[1]), str(Path(__file__).parent)])
    monkeypatch.setenv("PYTHONPATH", paths)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.chdir(tmp_path)
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    cluster.add_node(**size)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.rglob("*.arrow")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_lost_node_and_deadly_clips_cost_nothing_but_those_clips(
    nodes: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.extraction, "SHARD", 3)
    clips = [*CLIPS, Clip(id="bad", text="abort")]
    local = extract(clips, [deadly()], Store(tmp_path / "local"), workers=2)
    second = next(node for node in nodes.list_all_nodes() if node is not nodes.head_node)  # type: ignore[attr-defined]
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        told.append(done)
        if done == 6 and second in nodes.list_all_nodes():  # type: ignore[attr-defined]
            nodes.remove_node(second, allow_graceful=False)  # type: ignore[attr-defined]

    far = extract(clips, [deadly()], Store(tmp_path / "far"), engine="ray", progress=progress)
    assert files(tmp_path / "far") == files(tmp_path / "local")
    assert len(files(tmp_path / "far")) == 7
    assert told == list(range(20))
    assert far["deadly"].failures == local["deadly"].failures == [("bad", "crashed its worker (SIGABRT)")]
    assert second not in nodes.list_all_nodes()  # type: ignore[attr-defined]

    worse = extract([*clips[:4], Clip(id="poison", text="poison")], [deadly()], Store(tmp_path / "w"), engine="ray")
    assert worse["deadly"].failures == [("poison", REASON)]
    store = Store(tmp_path / "w")["deadly"]
    assert sorted(store) == ["00", "01", "02", "03", "poison"]
    assert all(store.length(clip.id) for clip in clips[:4])


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"--engine ray needs the extra 'scale'"):
        extract(CLIPS[:1], [deadly()], Store(tmp_path), engine="ray")


def test_an_engine_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no engine 'slurm'"):
        extract(CLIPS[:1], [deadly()], Store(tmp_path), engine="slurm")
