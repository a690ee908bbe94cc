"""Epochs for those who follow their trainings elsewhere: lines of history in; TensorBoard, MLflow or wandb out.

::

    OUT/logs/tensorboard/    tensorboard --logdir OUT/logs/tensorboard
            /mlruns/         MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri OUT/logs/mlruns
            /wandb/          wandb sync OUT/logs/wandb/offline-*

All of it is files in OUT: nothing here tries the network, whatever those tools would do by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from mimetic.recipes import Recipe, as_json
from mimetic.records import Entry, Json, MissingExtra, find

FOLDER = "logs"


class Log(Protocol):
    """Where one training's epochs go. Made of ``(folder, recipe, seed)``."""

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take an epoch's numbers by name."""

    def end(self) -> None:
        """Put away what has come: the training is over, or was stopped."""


TRACKERS: dict[str, Entry] = {
    "tensorboard": Entry(target="mimetic.tracking:TensorBoard", about="event files", extra="tensorboard"),
    "mlflow": Entry(target="mimetic.tracking:MLflow", about="a folder of runs", extra="mlflow"),
    "wandb": Entry(target="mimetic.tracking:WeightsAndBiases", about="offline runs, to be synced", extra="wandb"),
}
"""Where epochs can be logged."""


class Tracker:
    """Logs each epoch of the trainings that write their runs to ``out``.

    Raises
    ------
    UnknownName
        for a tool that there is not.
    MissingExtra
        if it is not installed.
    """

    def __init__(self, name: str, out: Path) -> None:
        self._entry = find(TRACKERS, name, "tracker")
        self._folder = out / FOLDER
        self._logs: dict[tuple[str, int], Log] = {}
        _import(name)

    def note(self, recipe: Recipe, seed: int, line: Json) -> None:
        """Log an epoch."""
        at = (recipe.name, seed)
        if at not in self._logs:
            self._logs[at] = self._entry.load()(self._folder, recipe, seed)
        self._logs[at].add(line["epoch"], numbers(line))

    def close(self) -> None:
        """End all logs."""
        for log in self._logs.values():
            log.end()


def numbers(line: Json) -> dict[str, float]:
    """Give the numbers of an epoch's line of history by name; what is undefined is left out.

    >>> numbers({"epoch": 1, "loss": 0.5, "rate": 0.1, "mean_pearson": None, "pearson": {"Joy": 0.3}})
    {'loss': 0.5, 'rate': 0.1, 'pearson/Joy': 0.3}
    """
    told = {name: line[name] for name in ("loss", "rate", "mean_pearson")}
    told |= {f"pearson/{target}": value for target, value in line["pearson"].items()}
    return {name: value for name, value in told.items() if value is not None}


def _import(name: str) -> None:
    """Look whether a tool is there, before anything is trained."""
    try:
        import_module(name)
    except ImportError:
        raise MissingExtra(f"--log {name}", name) from None


def _called(recipe: Recipe, seed: int) -> str:
    return f"{quote(recipe.name, safe='+=,.')}.seed-{seed}"


class TensorBoard:
    """Event files, a folder a training."""

    def __init__(self, folder: Path, recipe: Recipe, seed: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self._writer = make(log_dir=str(folder / "tensorboard" / _called(recipe, seed)))

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the numbers."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)

    def end(self) -> None:
        """Flush and close."""
        self._writer.close()


class MLflow:
    """A folder of runs as MLflow keeps them, all of one experiment.

    MLflow would rather have a database, which its small package cannot write; so it is told that files are meant.
    """

    def __init__(self, folder: Path, recipe: Recipe, seed: int) -> None:
        from mlflow import MlflowClient
        from mlflow.environment_variables import MLFLOW_ALLOW_FILE_STORE

        allowed: Any = MLFLOW_ALLOW_FILE_STORE
        allowed.set(True)
        self._client: Any = MlflowClient(tracking_uri=(folder / "mlruns").absolute().as_uri())
        known = self._client.get_experiment_by_name("mimetic")
        experiment = self._client.create_experiment("mimetic") if known is None else known.experiment_id
        self._run = self._client.create_run(experiment, run_name=_called(recipe, seed)).info.run_id
        for name, value in {"recipe": recipe.name, "seed": seed, "split": recipe.split}.items():
            self._client.log_param(self._run, name, value)

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the numbers; slashes and spaces are allowed in MLflow's names."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=epoch)

    def end(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._run)


class WeightsAndBiases:
    """Offline runs, which ``wandb sync`` sends if that is wished."""

    def __init__(self, folder: Path, recipe: Recipe, seed: int) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._run: Any = wandb.init(
            project="mimetic",
            name=_called(recipe, seed),
            dir=str(folder),
            mode="offline",
            config={"recipe": as_json(recipe), "seed": seed},
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the numbers."""
        self._run.log(dict(values), step=epoch)

    def end(self) -> None:
        """Finish the run."""
        self._run.finish()
