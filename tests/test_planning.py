"""What an extraction will cost: measured on a sample, and close to what it does cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tiny_text
from clips import write_clip
from mimetic.backends import Compute
from mimetic.backends.onnx import Onnx
from mimetic.cli import main
from mimetic.extraction import extract
from mimetic.features import feature, features
from mimetic.planning import _margin, plan
from mimetic.records import Clip, UnknownName, UsageError
from mimetic.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clips")
    for number in range(6):
        write_clip(place / f"{number}.mp4", seconds=1.0, seed=number)
    return place


def clips(folder: Path) -> list[Clip]:
    return [Clip(id=path.stem, path=path) for path in sorted(folder.glob("*.mp4"))]


def test_a_plan_from_all_clips_is_what_they_cost(folder: Path, tmp_path: Path) -> None:
    wanted = features(["logmel", "motion-blocks"])
    made = plan(clips(folder), wanted, sample=6)
    assert [cost.low == cost.seconds == cost.high for cost in made.costs] == [True, True]
    extract(clips(folder), wanted, Store(tmp_path), workers=0)
    for cost in made.costs:
        size = sum(path.stat().st_size for path in Store(tmp_path).folder(cost.feature).glob("*.arrow"))
        assert cost.bytes * 6 == pytest.approx(size, rel=0.05)
        assert cost.seconds > 0
    assert made.total.seconds == pytest.approx(sum(cost.seconds for cost in made.costs))


def test_a_sample_has_an_interval_and_is_the_seed_s(folder: Path) -> None:
    wanted = [feature("logmel")]
    one, other, again = (plan(clips(folder), wanted, sample=3, seed=seed) for seed in (0, 1, 0))
    assert one.sample == again.sample
    assert one.sample != other.sample
    (cost,) = one.costs
    assert cost.low < cost.seconds < cost.high


def test_the_margin_covers_the_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    everybody = draw.normal(5, 2, 200)
    hits = 0
    for _ in range(2000):
        sample = draw.choice(everybody, 12, replace=False)
        hits += abs(sample.mean() - everybody.mean()) <= _margin(sample, 200)
    assert 0.93 < hits / 2000 < 0.97


def test_costs_scale_to_hours_and_money() -> None:
    from mimetic.planning import Cost

    told = Cost(feature="x", seconds=3.6, low=1.8, high=7.2, bytes=1e6, short=0).scaled(1_000_000, cores=100, price=0.5)
    assert told["cpu_hours"] == pytest.approx(1000)
    assert (told["hours"], told["money"], told["bytes"]) == pytest.approx((10, 500, 1e12))


def test_the_command_prints_what_the_user_asks_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", str(folder), "--with", "logmel", "--sample", "2", "--cores", "4", "--clips", "1000"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--price", "0.1", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    line = told["extractors"]["logmel"]
    assert told["clips"] == 1000
    assert line["cpu_hours"] == pytest.approx(line["seconds_a_clip"] * 1000 / 3600)
    assert line["hours"] == pytest.approx(line["cpu_hours"] / 4)
    assert line["money"] == pytest.approx(line["cpu_hours"] * 0.1)
    with pytest.raises(SystemExit):
        main(words)
    assert "hours on 4 cores" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="imported, not extracted"):
        plan(clips(folder), [feature("motion-openface")])
    with pytest.raises(UsageError, match="no clips"):
        plan([], [feature("logmel")])


def test_a_plan_is_of_the_backend_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converted network computes: the clip that loads it, and the sample."""
    pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'mimetic[speed]'")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'mimetic[speed]'")
    wanted = [feature(f"gte+model={tiny_text.make_text(tmp_path / 'bert')}")]
    texts = [Clip(id=str(i), text="so it goes on") for i in range(4)]
    (own,) = plan(texts, wanted, sample=3, device="cpu").costs
    seen: list[int] = []
    opened = Onnx.open

    def open_watched(self: Onnx, folder: Path) -> Compute:
        compute = opened(self, folder)
        return lambda *feed: seen.append(len(feed[0])) or compute(*feed)  # type: ignore[func-returns-value]

    monkeypatch.setattr(Onnx, "open", open_watched)
    (theirs,) = plan(texts, wanted, sample=3, device="cpu", backend="onnx").costs
    assert own.computed == {}
    assert theirs.computed["backend"] == "onnx"
    assert seen[-2:] == [1, 3]
    assert theirs.bytes == pytest.approx(own.bytes, rel=0.05)
    assert theirs.seconds > 0


def test_the_command_tells_the_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'mimetic[speed]'")
    (tmp_path / "said.csv").write_text("id,text,joy\n" + "".join(f"{i},so it goes,0.{i}\n" for i in range(4)), "utf-8")
    words = ["plan", str(tmp_path / "said.csv"), "--with", "gte", "--model", str(tiny_text.make_text(tmp_path / "b"))]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--backend", "onnx", "--sample", "2", "--json"])
    assert ended.value.code == 0
    ((key, line),) = json.loads(capsys.readouterr().out)["extractors"].items()
    assert key.startswith("gte+model=")
    assert line["computed"]["backend"] == "onnx"
    with pytest.raises(SystemExit):
        main([*words, "--backend", "onnx", "--sample", "2"])
    assert "computed by onnx" in capsys.readouterr().out


def test_a_backend_that_there_is_not_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    wanted = [feature(f"gte+model={tiny_text.make_text(tmp_path / 'bert')}")]
    with pytest.raises(UnknownName, match="there is no backend 'tpu'"):
        plan([Clip(id="a", text="so")], wanted, device="cpu", backend="tpu")
