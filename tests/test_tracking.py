"""Epochs are logged where one asks for it, in files, and without a network."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from mimetic.records import MissingExtra, UnknownName
from mimetic.tracking import TRACKERS, Tracker
from planted import single
from test_choosing import call, features_only

LINES = [
    {"epoch": epoch, "loss": 1.0 / epoch, "rate": 0.1, "mean_pearson": 0.1 * epoch, "pearson": {"Empathic Pain": None}}
    for epoch in (1, 2)
]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Refuse every way out but the machine's own sockets; keep what the tools write about themselves in the test's."""
    real = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> object:
        if self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1")):
            return real(self, address)  # type: ignore[arg-type]
        return _fail(address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def _fail(address: object) -> NoReturn:
    pytest.fail(f"tried the network: {address}")


def logged(name: str, out: Path) -> None:
    pytest.importorskip(name)
    tracker = Tracker(name, out)
    for line in LINES:
        tracker.note(single(), 0, line)
    tracker.close()


def test_tensorboard_has_every_epoch(tmp_path: Path) -> None:
    logged("tensorboard", tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (tmp_path / "logs" / "tensorboard").iterdir()
    assert folder.name == "logmel.mlp.seed-0"
    events = EventAccumulator(str(folder))
    events.Reload()
    assert events.Tags()["scalars"] == ["loss", "rate", "mean_pearson"]
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 0.5)]


@pytest.mark.slow
def test_mlflow_has_every_epoch(tmp_path: Path) -> None:
    logged("mlflow", tmp_path)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "logs" / "mlruns").as_uri())
    (experiment,) = client.search_experiments(filter_string="name = 'mimetic'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.params["recipe"]) == ("FINISHED", "logmel.mlp")
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] == [
        (1, 1.0),
        (2, 0.5),
    ]


@pytest.mark.slow
def test_wandb_keeps_its_run_offline(tmp_path: Path) -> None:
    logged("wandb", tmp_path)
    assert list((tmp_path / "logs" / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tool_that_is_not_installed_is_named_with_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=f"--log {name} needs the extra '{name}'"):
        Tracker(name, tmp_path)


def test_an_unknown_tool_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no tracker 'tensorbord'. Did you mean tensorboard"):
        Tracker("tensorbord", tmp_path)


def test_train_logs_networks_and_what_needs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "data").mkdir()
    data, runs = features_only(tmp_path / "data", {"gte": 1}), tmp_path / "runs"
    words = ("--set", "fit.epochs=2", "--out", runs, "--log", "tensorboard")
    code, _, error = call("train", data, "gte.mlp,floor", *words, capsys=capsys)
    assert code == 0, error
    assert {path.name for path in (runs / "logs" / "tensorboard").iterdir()} == {"gte.mlp.seed-0", "floor.seed-0"}
    assert call("evaluate", runs, capsys=capsys)[0] in (0, 2)
