"""What is measured against the field's ways says the same as they do, and what it counts is there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mimetic.batches import load_tracks
from mimetic.benching import pages
from mimetic.benching.cases import CASES
from mimetic.benching.clips import SHARE, Made
from mimetic.benching.field import WAYS, thinned, train_theirs
from mimetic.benching.measuring import Cost, machine, measure, median, spread
from mimetic.benching.mmsa import check_installed
from mimetic.benching.ours import train_made
from mimetic.cli import main
from mimetic.features import feature
from mimetic.gating import gated_states
from mimetic.records import UsageError
from mimetic.training.material import Shelf


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    clips = Made(tmp_path_factory.mktemp("made"), 20, longest=40)
    clips.write()
    return clips


@pytest.mark.parametrize("case", ["mean", "meanstd", "attention", "GRU 1x128", "LSTM 3x64", "BiLSTM 3x128", "F2"])
def test_the_field_and_we_say_the_same_of_a_clip(made: Made, case: str) -> None:
    ours = train_made(made, case, 1)
    for way in WAYS:
        theirs = train_theirs(made, case, way, part=8)
        np.testing.assert_allclose(theirs.facts["scores"], ours.facts["scores"], atol=1e-5, rtol=0)
        assert theirs.facts["computed"] >= 1.0
    assert ours.facts["computed"] >= 1.0
    assert ours.cpu["epoch"] > 0


def test_made_clips_are_the_same_in_the_store_and_in_the_fields_files(made: Made) -> None:
    for key in SHARE:
        tracks = load_tracks(made.store, feature(key), made.dataset)
        for clip in (0, 7, 19):
            np.testing.assert_array_equal(np.asarray(tracks.values[clip], np.float32), made.rows(key, clip))


def test_lengths_have_the_long_tail_that_was_measured() -> None:
    lengths = Made(Path("nowhere"), 2_000).lengths
    assert 55 <= np.median(lengths) <= 65
    assert 105 <= lengths.mean() <= 125
    assert lengths.max() == 1_500
    np.testing.assert_array_equal(Made(Path("nowhere"), 500).lengths, lengths[:500])


def test_a_part_of_the_clips_has_the_mixture_of_all(made: Made) -> None:
    material = Shelf(made.dataset, made.store).material(CASES["mean"])
    lengths = material.parts[0].lengths
    some = lengths[thinned(material, 8)].mean()
    assert some == pytest.approx(lengths[material.split.train].mean(), rel=0.3)


def sleepy(bytes_: int) -> Cost:
    cost = Cost()
    with cost.measured("all"):
        cost.facts["sum"] = float(np.ones(bytes_ // 8).sum())
    return cost


def idle() -> None:
    """Nothing has to be done first."""


def test_a_measurement_knows_the_memory_of_its_own_process_alone() -> None:
    small, large = (measure(sleepy, size, ready=idle) for size in (1 << 20, 100 << 20))
    assert large.facts["sum"] == (100 << 20) / 8
    if small.peak is None or large.peak is None:
        pytest.skip("this system does not tell a process's memory")
    assert large.peak - small.peak > 80 << 20


def test_medians_and_spreads_are_of_processor_seconds() -> None:
    costs = [Cost(cpu={"epoch": value}) for value in (1.0, 4.0, 2.0)]
    assert median(costs, "epoch") == 2.0
    assert spread(costs, "epoch") == 1.5


def test_a_machine_is_described_and_not_named() -> None:
    import platform

    told = machine()
    assert {"processors", "processor", "torch", "date"} <= told.keys()
    assert platform.node() not in json.dumps(told).split('"')


@pytest.mark.skipif(__import__("importlib.util").util.find_spec("MMSA") is not None, reason="MMSA is installed")
def test_what_is_not_installed_is_named_with_its_remedy() -> None:
    with pytest.raises(UsageError, match=r"needs MMSA, which is not installed\. pip install"):
        check_installed()


@pytest.mark.parametrize("layers", [1, 2])
def test_the_written_out_gradient_is_that_of_torch(layers: int) -> None:
    torch.manual_seed(0)
    net = nn.GRU(6, 5, layers, batch_first=True)
    values = torch.randn(3, 11, 6, requires_grad=True)
    weigh = torch.randn(3, 11, 5)
    found = []
    for states in (net(values)[0], gated_states(values, net)):
        found.append((states, *torch.autograd.grad((states * weigh).sum(), [values, *net.parameters()])))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)


@pytest.mark.slow
def test_the_command_writes_its_figures_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "training", "--quick", "--only", "mean", "--out", str(tmp_path), "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "bench_training.json").read_text())
    for line in told["results"]:
        assert line["ratio"] == pytest.approx(line["theirs"] / line["ours"])
        assert line["unit"].startswith("CPU s")
        assert line["difference"] < 1e-5
    assert {"machine", "results"} <= told.keys()
    page = (tmp_path / "bench_training.md").read_text()
    assert page == pages.page(told, "mimetic bench training")
    assert "| mean: padded to the maximum |" in page
