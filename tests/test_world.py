"""Two processes that train as one: the same weights, after a kill too; and what does not fit is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mimetic
import ranks
import tiny_text
from mimetic.records import UsageError
from mimetic.runs import Run, load
from mimetic.world import World, entered
from test_finetuning import settings, tuned, weights

HERE = Path(__file__).parent


def together(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run two gloo processes under ``torchrun``."""
    paths = os.pathsep.join([str(Path(mimetic.__file__).parents[1]), str(HERE)])
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(HERE / "ranks.py")]
    return subprocess.run(
        [sys.executable, *words, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def the_run(out: Path) -> Run:
    (config,) = out.glob("*/seed-0/config.json")
    return load(config.parent)


def assert_same(out: Path, single: Path) -> None:
    ours, theirs = the_run(out), the_run(single)
    np.testing.assert_allclose(ours.outcome.predicted, theirs.outcome.predicted, atol=1e-5, rtol=0)
    assert ours.path.parent.name == theirs.path.parent.name
    assert [line["loss"] for line in ours.history] == pytest.approx([line["loss"] for line in theirs.history], abs=1e-5)
    for name, weight in weights(single).items():
        if not name.endswith("key.bias"):  # it changes nothing, so that its gradient is what rounding leaves
            torch.testing.assert_close(weights(out)[name], weight, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_two_processes_killed_in_the_middle_end_as_one_that_was_not(tmp_path: Path) -> None:
    checkpoint = tiny_text.make_text(tmp_path / "bert")
    tuned(settings(checkpoint, at_once=3), tmp_path / "one")
    killed = together(checkpoint, tmp_path / "two", 3, 3)
    assert killed.returncode != 0
    assert list((tmp_path / "two" / ".tuning").glob("*/state*")), killed.stderr[-3000:]
    resumed = together(checkpoint, tmp_path / "two", 3)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert_same(tmp_path / "two", tmp_path / "one")
    ranks.extract_words(tmp_path / "one")
    alone = ranks.trained(tmp_path / "one")
    both = the_run(tmp_path / "two" / "trained")
    np.testing.assert_allclose(both.outcome.predicted, alone.outcome.predicted, atol=1e-5, rtol=0)
    assert [line["loss"] for line in both.history] == pytest.approx([line["loss"] for line in alone.history], abs=1e-5)


def test_a_network_with_more_processes_than_clips_in_a_step_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetic.training.here", lambda: World(0, 9))
    ranks.extract_words(tmp_path)
    with pytest.raises(UsageError, match="a step of words has 6 clips, and there are 9 processes"):
        ranks.trained(tmp_path)


def test_more_processes_than_lots_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tiny_text.make_text(tmp_path / "bert")
    monkeypatch.setattr("mimetic.finetuning.bench.here", lambda: World(0, 2))
    monkeypatch.setattr(World, "wait", lambda _self: None)
    told = "a step of 8 clips goes in 1 lots, and there are 2 processes. Give --set at_once=7 or less"
    with pytest.raises(UsageError, match=told):
        tuned(settings(checkpoint, at_once=32), tmp_path / "out")


def test_alone_nothing_is_asked_of_others() -> None:
    with entered("cpu") as (world, device):
        assert (world, device) == (World(), "cpu")
    total = torch.ones(2)
    assert world.total(total) is total
    assert world.share([1, 2, 3]) == [1, 2, 3]
    world.agree(1, "anything")


def test_shares_are_everything_once() -> None:
    shares = [World(rank, 3).share(range(8)) for rank in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(8))


def test_a_gpu_too_few_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from mimetic.world import _own_device

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="has 1 GPUs, and torchrun has started more"):
        _own_device("cuda", 1)
