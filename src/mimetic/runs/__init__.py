"""A run: the folder that a recipe, a data set and a seed made.

::

    OUT/<recipe>-<system>/seed-<seed>/config.json          recipe, seed, targets, features, signature, data, split, ...
                                     /model.safetensors    the weights
                                     /members.json         of auto, or a stack: what it is made of
                                     /history.jsonl        one line an epoch
                                     /scores.arrow         every clip: part, label, score, which modalities it had

Runs that differ by seed alone lie side by side: their folder is the *system*. A run is written beside its place and
renamed, so one that can be seen is finished. The signature covers all that decides its numbers; the system's folder
ends in the first letters of the part of it that all seeds share. So a stage two finds its stage one by content, and
never by accident.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mimetic.features import Feature, feature, features
from mimetic.network import Network
from mimetic.recipes import Recipe, as_json, from_json
from mimetic.records import BadRun, Json
from mimetic.runs.outcomes import Outcome as Outcome
from mimetic.runs.outcomes import read_outcome, write_outcome
from mimetic.splits import ALL
from mimetic.store import whole

FORMAT = 1
_ALWAYS = ("recipe", "signature", "system", "seed", "targets", "features", "data", "split", "best_epoch")
CONFIG, WEIGHTS, HISTORY, SCORES = "config.json", "model.safetensors", "history.jsonl", "scores.arrow"
MEMBERS = "members.json"
NETWORK, STACK = "network", "stack"


class Run:
    """A finished run. Its files are read when they are first asked for.

    >>> run = Run("RUN")
    >>> run.targets, run.recipe.name
    (('Admiration', 'Joy'), 'light')
    >>> run.outcome.part("valid").predicted.shape
    (6, 2)

    Raises
    ------
    BadRun
        if the folder is none, or was written by a version that this one cannot read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.config: Json = json.loads((self.path / CONFIG).read_text("utf-8"))
            found = self.config["format"]
            if found == FORMAT and (lacking := [name for name in _ALWAYS if name not in self.config]):
                raise KeyError(lacking[0])
        except OSError:
            raise BadRun(f"{self.path} is no run", remedy=_where_runs_are(self.path)) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            told = f"{self.path / CONFIG} is damaged, or no run's"
            raise BadRun(told, remedy="Give a folder that `mimetic train` made, or train it again.") from None
        if found != FORMAT:
            raise BadRun(f"{self.path} has format {found}, this version reads {FORMAT}", remedy="Train it again.")
        self.recipe: Recipe = from_json(self.config["recipe"], where=str(self.path / CONFIG))

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.config["seed"])

    @property
    def signature(self) -> str:
        """All that decides its numbers, in 32 hex digits."""
        return str(self.config["signature"])

    @property
    def system(self) -> str:
        """What it shares with the runs that differ from it by seed alone."""
        return str(self.config["system"])

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what it predicts."""
        return tuple(self.config["targets"])

    @property
    def kind(self) -> str:
        """What it is made of: ``network``, ``stack``, or what ``automatic`` trains."""
        return str(self.config.get("kind", NETWORK))

    @property
    def refit(self) -> bool:
        """Whether it was trained on all labelled clips, so that nothing can say how good it is."""
        return self.recipe.split == ALL

    @property
    def data(self) -> str:
        """The name of the data set it was trained on."""
        return str(self.config["data"]["name"])

    @property
    def note(self) -> str:
        """What has to be said wherever its figures are shown: that its data are simulated, if they are."""
        return str(self.config["data"].get("note", ""))

    @property
    def features(self) -> tuple[Feature, ...]:
        """What has to be extracted from a clip before it can be scored."""
        return features(part.feature for part in self.recipe.parts)

    @property
    def dims(self) -> list[int]:
        """How many columns each of its features had."""
        return [int(identity["dim"]) for identity in self.config["features"]]

    @cached_property
    def history(self) -> list[Json]:
        """One record an epoch: ``epoch``, ``loss``, ``rate``; validation's ``mean_pearson``, ``pearson`` by target."""
        with self.whole(HISTORY) as path:
            return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    @cached_property
    def outcome(self) -> Outcome:
        """What it says of every clip of its data set."""
        with self.whole(SCORES) as path:
            return read_outcome(path)

    def network(self) -> Network:
        """Build the network and load its weights; ready to score, without dropout.

        Raises
        ------
        BadRun
            if the weights are missing or damaged, or the features that it learned from are computed otherwise now.
        """
        self.check_features()
        if self.kind != NETWORK:
            raise BadRun(f"{self.path} is {self.kind}, and no single network", remedy="Use `mimetic.predict`.")
        network = Network(self.recipe, self.dims, len(self.targets))
        with self.whole(WEIGHTS) as path:
            network.load_state_dict(load_file(path))
        return network.eval()

    def check_features(self) -> None:
        """Refuse a run whose features are computed otherwise now.

        Raises
        ------
        BadRun
            naming the first of them.
        """
        for part, then in zip(self.recipe.parts, self.config["features"], strict=True):
            if not (now := feature(part.feature)).matches(then):
                message = f"{self.path} learned from {now.key} as it was computed then, and not as it is now"
                raise BadRun(message, remedy="Train it again.")

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """Give the path of one of the run's files; whatever is wrong with it is told of the run."""
        try:
            yield self.path / name
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            told = str(error).splitlines()[0]
            remedy = "Delete the run and train it again."
            raise BadRun(f"{self.path / name} is missing or damaged ({told})", remedy=remedy) from None


def _where_runs_are(folder: Path) -> str:
    """Name a run below a folder that is none: somebody gave one level too few, or two."""
    below = min(_below(folder), default=None)
    if below is not None:
        return f"It holds runs; give one of them, such as {below.parent}."
    return "Give a folder that `mimetic train` made; it has a config.json."


def _below(folder: Path) -> list[Path]:
    """Give the configurations of the runs in a system's folder, or in a folder of systems."""
    return [*folder.glob(f"seed-*/{CONFIG}"), *folder.glob(f"*/seed-*/{CONFIG}")]


def load(path: Path | str) -> Run:
    """Open a finished run's folder.

    >>> load("RUN").seed
    0

    Raises
    ------
    BadRun
        if the folder is none, or was written by a version that this one cannot read.
    """
    return Run(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """All that decides a run's numbers, as digests: ``system`` is what its seeds share, ``run`` covers the seed too."""

    system: str
    run: str
    seed: int


def find_run(folder: Path, signature: Signature) -> Run | None:
    """Give the finished run of this signature among a folder's, if there is one."""
    for path in sorted(folder.glob(f"*-{signature.system[:8]}/seed-{signature.seed}")):
        run = Run(path)
        if run.signature == signature.run:
            return run
    return None


def write_run(
    folder: Path,
    *,
    recipe: Recipe,
    signature: Signature,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    history: Iterable[Json],
    outcome: Outcome,
    members: Sequence[Json] = (),
) -> Run:
    """Write a run's folder, whole or not at all. ``facts`` join the recipe and signature in its ``config.json``."""
    path = folder / f"{quote(recipe.name, safe='+=,.')}-{signature.system[:8]}" / f"seed-{signature.seed}"
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    signed = {"signature": signature.run, "system": signature.system, "seed": signature.seed}
    config = {"format": FORMAT, "recipe": as_json(recipe), **signed, **facts, "versions": _versions()}
    try:
        (beside / CONFIG).write_text(json.dumps(config, indent=1) + "\n", "utf-8")
        save_file(dict(weights), beside / WEIGHTS)
        if members:
            (beside / MEMBERS).write_text(json.dumps(members, ensure_ascii=False) + "\n", "utf-8")
        (beside / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in history), "utf-8")
        write_outcome(beside / SCORES, outcome)
        for file in beside.iterdir():
            _flush(file)
        beside.rename(path)
    except OSError:
        if find_run(folder, signature) is None:  # else somebody has trained the same run at the same time
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Run(path)


def rewrite_outcome(run: Run, outcome: Outcome) -> None:
    """Put another outcome in a run's place: that of fewer clips, when some are to be forgotten."""
    with whole(run.path / SCORES) as beside:
        write_outcome(beside, outcome)
    run.__dict__.pop("outcome", None)  # what was read before


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("mimetic", "torch", "numpy")}


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def runs_of(paths: Sequence[Path]) -> list[Run]:
    """Open several runs; a system's folder stands for its seeds, and a folder of systems for all of theirs."""
    found: list[Run] = []
    for path in paths:
        below = [] if (path / CONFIG).is_file() else _below(path)
        found += [Run(config.parent) for config in sorted(below)] or [Run(path)]
    return found
