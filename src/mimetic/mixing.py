"""``mimetic stack``: runs on one data set in, one Run out that mixes them and is used like any other.

::

    runs ──► seeds of a system: their mean ──► what each system says of training clips that it has not seen
                                                └──► weights a target, calibrated ──► one run, its members inside

A network is trained anew on inner folds for that; ``auto`` and ``floor`` have kept what they said. So the weights are
learned without a look at clips that validate or test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from mimetic.auto import Auto
from mimetic.automatic import as_modalities, history_line, load_auto, outcome_of
from mimetic.batches import Ragged
from mimetic.evaluation import systems
from mimetic.features import Feature, features
from mimetic.inner import FOLDS, Inner, cut_inner, predict_held
from mimetic.network import Network, score_tracks
from mimetic.recipes import Part, Recipe, as_json, from_json
from mimetic.records import BadRun, Json
from mimetic.runs import MEMBERS, NETWORK, STACK, WEIGHTS, Run, Signature, find_run, write_run
from mimetic.scores import pearson
from mimetic.stacking import Mixture, choose_mixture, conformal, fit_mixture, mean_defined, mix_fairly
from mimetic.store import digest
from mimetic.training import Watch
from mimetic.training.material import Shelf

Floats = NDArray[np.float64]

CHOOSE = "choose"
"""To take the mixture, or the run alone, that is best on clips that its weights have not seen."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Voice:
    """One model of a stack: the features that it reads, in order, and how it scores them, ``(clip, target)``."""

    keys: tuple[str, ...]
    score: Callable[[tuple[Ragged, ...]], Floats]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stack:
    """Systems, each the mean of its seeds' voices, and the weights that mix them."""

    systems: tuple[tuple[Voice, ...], ...]
    mixture: Mixture

    def predict(self, read: Sequence[Feature], parts: tuple[Ragged, ...]) -> Floats:
        """Give ``(clip, target)`` from the tracks of the stack's features."""
        by_key = {of.key: part for of, part in zip(read, parts, strict=True)}
        said = [
            np.mean([voice.score(tuple(by_key[key] for key in voice.keys)) for voice in voices], axis=0)
            for voices in self.systems
        ]
        return self.mixture.mix(np.stack(said))


# ------------------------------------------------------------------------------------------------- fit


def stack_runs(
    runs: Sequence[Run],
    shelf: Shelf,
    out: Path,
    *,
    how: str = CHOOSE,
    folds: int = FOLDS,
    by: str | None = None,
    device: str = "cpu",
    watch: Watch = lambda _recipe, _seed, _line: None,
) -> Run:
    """Mix runs that were trained on one data set and split; give the finished run.

    Parameters
    ----------
    how
        ``choose``, or one of ``stacking.MIXTURES``.
    folds, by
        inner folds of the training clips, and the column whose groups they keep whole; the data set's own people if
        not told.

    Raises
    ------
    BadRun
        for runs of another data set or split, or a stack among them.
    UnknownName
        for a mixture that there is not.
    """
    _check(runs, shelf)
    groups = systems(runs)
    recipe = _recipe(runs)
    signature = _sign(runs, shelf.material(recipe).fingerprints, [how, folds, by])
    if (finished := find_run(out, signature)) is not None:
        return finished
    inner = cut_inner(shelf.dataset, shelf.store, recipe.split, folds=folds, by=by)
    fair = np.stack([_say_fairly(group, inner, out / "inner", device, watch) for group in groups])
    chosen, mixture, mixed, scores = _mixed(fair, inner, how)
    predicted = mixture.mix(np.stack([np.mean([run.outcome.predicted for run in group], axis=0) for group in groups]))
    predicted[inner.rows] = mixed
    names = _names(groups)
    told = {
        "chosen": names.get(chosen, chosen),
        "scores": {names.get(name, name): score for name, score in scores.items()},
        "grouped_by": inner.by,
        "folds": folds,
        "weights": {names[str(place)]: weights.tolist() for place, weights in enumerate(mixture.weights)},
    }
    margins = conformal(inner.labels, mixed, source="out-of-fold residuals").as_json()
    weights = _weights(groups, mixture)
    material = shelf.material(recipe)
    return write_run(
        out,
        recipe=recipe,
        signature=signature,
        facts={
            **material.facts(),
            "kind": STACK,
            "best_epoch": 1,
            "parameters": {STACK: sum(value.numel() for value in weights.values())},
            "stack": told,
            "margins": margins,
        },
        weights=weights,
        history=[history_line(material, predicted)],
        outcome=outcome_of(material, predicted),
        members=[{"voices": [_told(run) for run in group]} for group in groups],
    )


def _check(runs: Sequence[Run], shelf: Shelf) -> None:
    for run in runs:
        if run.kind == STACK:
            raise BadRun(f"{run.path} is a stack already", remedy="Give the runs that it was made of.")
        if shelf.material(run.recipe).sign(run.recipe, run.seed).run != run.signature:
            message = f"{run.path} was not trained on {shelf.dataset.name} with the features in {shelf.store.path}"
            raise BadRun(message, remedy="Give the data set that it was trained on.")
        if run.recipe.split != runs[0].recipe.split:
            message = f"{run.path} was trained on split {run.recipe.split}, {runs[0].path} on {runs[0].recipe.split}"
            raise BadRun(message, remedy="Stack runs of one split.")


def _recipe(runs: Sequence[Run]) -> Recipe:
    """Give the recipe that stands for a stack: what it reads, and how it is split."""
    keys = dict.fromkeys(of.key for run in runs for of in run.features)
    parts = tuple(Part(feature=key, encoder="statistics") for key in keys)
    about = "several runs, mixed by weights from clips that they have not seen"
    return Recipe(name=STACK, parts=parts, split=runs[0].recipe.split, about=about)


def _sign(runs: Sequence[Run], fingerprints: Mapping[str, str], told: Sequence[Any]) -> Signature:
    system = digest([sorted(run.signature for run in runs), dict(fingerprints), list(told)], size=16)
    return Signature(system=system, run=digest([system, 0], size=16), seed=0)


def _names(groups: Sequence[Sequence[Run]]) -> dict[str, str]:
    """Name systems by their recipes; by their place too, where two are called the same."""
    names = [group[0].recipe.name for group in groups]
    return {
        str(place): name if names.count(name) == 1 else f"{name} ({group[0].system[:8]})"
        for place, (name, group) in enumerate(zip(names, groups, strict=True))
    }


def _say_fairly(group: Sequence[Run], inner: Inner, out: Path, device: str, watch: Watch) -> Floats:
    """Give what a system says of each training clip without having seen it, ``(clip, target)``: its seeds' mean."""
    if group[0].kind != NETWORK:
        of_seeds = [run.outcome.predicted[inner.rows] for run in group]
    else:
        of_seeds = [predict_held(inner, run.recipe, out, seed=run.seed, device=device, watch=watch) for run in group]
    mean: Floats = np.mean(of_seeds, axis=0)
    return mean


def _mixed(fair: Floats, inner: Inner, how: str) -> tuple[str, Mixture, Floats, dict[str, float]]:
    """Weigh systems; give what ``choose_mixture`` gives."""
    if how == CHOOSE:
        return choose_mixture(fair, inner.labels, inner.folds)
    mixture, mixed = fit_mixture(fair, inner.labels, how), mix_fairly(fair, inner.labels, inner.folds, how)
    return how, mixture, mixed, {how: mean_defined(pearson(inner.labels, mixed))}


# ----------------------------------------------------------------------------------------------- files


def _weights(groups: Sequence[Sequence[Run]], mixture: Mixture) -> dict[str, Tensor]:
    """Give the weights of all runs by ``system.seed/name``, and the mixture's."""
    weights = {
        "mixture/weights": torch.from_numpy(mixture.weights),
        "mixture/intercept": torch.from_numpy(mixture.intercept),
    }
    for place, group in enumerate(groups):
        for number, run in enumerate(group):
            with run.whole(WEIGHTS) as path:
                weights |= {f"{place}.{number}/{name}": value for name, value in load_file(path).items()}
    return weights


def _told(run: Run) -> Json:
    """Give what a voice is built from again, beside its weights."""
    told = {"kind": run.kind, "seed": run.seed, "signature": run.signature, "recipe": as_json(run.recipe)}
    if run.kind == NETWORK:
        return {**told, "dims": run.dims}
    model, _ = load_auto(run).saved()
    return {**told, "auto": model}


def load_stack(run: Run) -> Stack:
    """Open the model of a run that ``stack_runs`` made.

    Raises
    ------
    BadRun
        if its files are missing or damaged, or its features are computed otherwise now.
    """
    run.check_features()
    with run.whole(WEIGHTS) as path:
        weights = load_file(path)
    with run.whole(MEMBERS) as path:
        members = json.loads(path.read_text("utf-8"))
    groups = tuple(
        tuple(
            _voice(told, _under(weights, f"{place}.{number}/"), len(run.targets))
            for number, told in enumerate(group["voices"])
        )
        for place, group in enumerate(members)
    )
    mixture = _under(weights, "mixture/")
    return Stack(
        systems=groups, mixture=Mixture(weights=mixture["weights"].numpy(), intercept=mixture["intercept"].numpy())
    )


def _under(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _voice(told: Json, weights: dict[str, Tensor], targets: int) -> Voice:
    recipe = from_json(told["recipe"], where=MEMBERS)
    read = features(part.feature for part in recipe.parts)
    keys = tuple(of.key for of in read)
    if told["kind"] == NETWORK:
        network = Network(recipe, told["dims"], targets)
        network.load_state_dict(weights)
        return Voice(keys=keys, score=lambda parts: _scored(network.eval(), parts))
    auto = Auto.restored(told["auto"], {name: value.numpy() for name, value in weights.items()})
    return Voice(keys=keys, score=lambda parts: auto.predict(as_modalities(read, parts)))


def _scored(network: Network, parts: tuple[Ragged, ...]) -> Floats:
    return score_tracks(network, parts, np.arange(len(parts[0].values)), torch.device("cpu"))
