"""``auto``: every model that the data allow, fitted fairly, and mixed: modalities and labels in, one predictor out.

    arrays ──► ridge on clip statistics, of each modality and of all ─┐
    texts  ──► ridge on words and letters ────────────────────────────┼──► a mixture, chosen out of fold ──► scores
    arrays ──► two-stage networks, from 500 labelled clips on ────────┘

All members are fitted on the same folds, grouped where groups are known. What mixes them is chosen on predictions of
clips that no member has seen, by weights that have not seen them either; it is the best member alone where no mixture
beats it. The residuals of the same predictions give the intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.auto.members import Floats, Member
from mimetic.modalities import Modalities
from mimetic.recipes import Recipe
from mimetic.records import BadData, Entry, Json, find
from mimetic.scores import pearson
from mimetic.stacking import Margins, Mixture, choose_mixture, conformal, deal_folds, fit_mixture, mean_defined

FOLDS = 5
"""Folds that every member is fitted on."""

KINDS: dict[str, Entry] = {
    "statistics": Entry(target="mimetic.auto.statistics:Statistics", about="clip statistics with ridge"),
    "texts": Entry(target="mimetic.auto.texts:Texts", about="words and letters of a text with ridge"),
    "nets": Entry(target="mimetic.auto.nets:Nets", about="two-stage networks on clip statistics"),
    "floor": Entry(
        target="mimetic.auto.hashes:Floor", about="the line to beat: statistics and hashed texts with ridge"
    ),
    "recipe": Entry(target="mimetic.auto.trained:Trained", about="a recipe's network, on arrays as they are"),
}
"""The members that there are."""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Auto:
    """A fitted ``auto``: its members, how they are mixed, and how far it is off.

    ``chosen`` is the mixture's name or the member that stands alone; ``scores`` the mean Pearson of every candidate,
    out of fold, by name.
    """

    members: tuple[Member, ...]
    mixture: Mixture
    margins: Margins
    chosen: str
    scores: Mapping[str, float]

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``; a modality that these clips do not have is missing."""
        used = self.mixture.weights.any(axis=1)
        shape = (len(clips), len(self.mixture.intercept))
        predicted = [
            member.predict(clips) if needed else np.zeros(shape)
            for member, needed in zip(self.members, used, strict=True)
        ]
        return self.mixture.mix(np.stack(predicted))

    def saved(self) -> tuple[Json, dict[str, NDArray[Any]]]:
        """Give all of it, as JSON and as arrays by name."""
        arrays: dict[str, NDArray[Any]] = {
            "mixture/weights": self.mixture.weights,
            "mixture/intercept": self.mixture.intercept,
        }
        members = []
        for place, member in enumerate(self.members):
            config, own = member.saved()
            members.append({"kind": member.kind, **config})
            arrays |= {f"{place}/{name}": np.asarray(value) for name, value in own.items()}
        told = {"chosen": self.chosen, "scores": dict(self.scores), "margins": self.margins.as_json()}
        return {"members": members, **told}, arrays

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Auto:
        """Build it from what ``saved`` gave."""
        members = []
        for place, content in enumerate(config["members"]):
            own = {name.partition("/")[2]: value for name, value in arrays.items() if name.startswith(f"{place}/")}
            members.append(find(KINDS, content["kind"], "member").load().restored(content, own))
        mixture = Mixture(weights=arrays["mixture/weights"], intercept=arrays["mixture/intercept"])
        return cls(
            members=tuple(members),
            mixture=mixture,
            margins=Margins.from_json(config["margins"]),
            chosen=config["chosen"],
            scores=config["scores"],
        )


def fit_auto(
    clips: Modalities,
    labels: Floats,
    groups: NDArray[np.intp] | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    tell: Tell = lambda _text: None,
) -> tuple[Auto, Floats]:
    """Fit every member that the data allow, and mix them.

    Parameters
    ----------
    labels, groups
        ``(clip, target)``, NaN where nobody said; ``(clip,)``, such as the person: no group is in two folds.
    tell
        is told what is being fitted.

    Returns
    -------
    the model, and its fair predictions of the clips, ``(clip, target)``.

    Raises
    ------
    BadData
        for fewer than two groups of labelled clips, or nothing that a member can learn from.
    """
    groups = np.arange(len(clips)) if groups is None else groups
    folds = deal_folds(groups, FOLDS, seed=seed)
    fitted = list(_members(clips, labels, folds, groups, seed, device, tell))
    if not fitted:
        raise BadData("no clip has anything to learn from", remedy="Give arrays, or texts with words.")
    return _mixed(fitted, labels, folds)


def _mixed(fitted: Sequence[tuple[Member, Floats]], labels: Floats, folds: NDArray[np.intp]) -> tuple[Auto, Floats]:
    """Mix members by their fair predictions; give what the mixture says of the clips, fairly too."""
    fair = np.stack([predicted for _, predicted in fitted])
    members = tuple(member for member, _ in fitted)
    best, mixture, mixed, scores = choose_mixture(fair, labels, folds)
    told = {str(place): member.name for place, member in enumerate(members)}
    return (
        Auto(
            members=members,
            mixture=mixture,
            margins=conformal(labels, mixed, source="out-of-fold residuals"),
            chosen=told.get(best, best),
            scores={told.get(name, name): score for name, score in scores.items()},
        ),
        mixed,
    )


def _members(
    clips: Modalities,
    labels: Floats,
    folds: NDArray[np.intp],
    groups: NDArray[np.intp],
    seed: int,
    device: str,
    tell: Tell,
) -> Iterator[tuple[Member, Floats]]:
    """Fit one member after the other; give each with its fair predictions."""
    from mimetic.auto.nets import FEWEST, fit_nets
    from mimetic.auto.statistics import fit_statistics
    from mimetic.auto.texts import UNITS, fit_texts

    arrays = clips.arrays
    for names in [[name] for name in arrays] + ([arrays] if len(arrays) > 1 else []):
        tell(f"ridge on {' + '.join(names)}")
        yield fit_statistics(clips, names, labels, folds)
    for name, unit in product(clips.texts, UNITS):
        tell(f"ridge on {unit} of {name}")
        if (found := fit_texts(clips, name, unit, labels, folds)) is not None:
            yield found
    if arrays and np.count_nonzero(~np.isnan(labels).all(axis=1)) >= FEWEST:
        tell(f"networks on {' + '.join(arrays)}")
        yield fit_nets(clips, arrays, labels, folds, groups, seed=seed, device=device)


def fit_floor(
    clips: Modalities, labels: Floats, groups: NDArray[np.intp] | None = None, *, seed: int = 0
) -> tuple[Auto, Floats]:
    """Fit the line to beat: ridge on clip statistics, texts as hashed words and letters, all side by side; in seconds.

    Returns
    -------
    as ``fit_auto``.
    """
    from mimetic.auto.hashes import fit_hashes

    groups = np.arange(len(clips)) if groups is None else groups
    folds = deal_folds(groups, FOLDS, seed=seed)
    member, predicted = fit_hashes(clips, labels, folds)
    return _mixed([(member, predicted)], labels, folds)


def fit_recipe_fairly(
    recipe: Recipe,
    clips: Modalities,
    labels: Floats,
    groups: NDArray[np.intp] | None = None,
    *,
    held: tuple[Modalities, Floats] | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[Auto, Floats]:
    """Train a recipe's network on arrays, calibrated and with intervals from the clips that chose its epoch.

    Those are ``held``, or else a sixth of the clips, whole groups.

    Returns
    -------
    the model, and its predictions ``(clip, target)`` of those of ``clips`` that did not train it; NaN for the others.
    """
    from mimetic.auto.trained import Trained
    from mimetic.fitting import fit_recipe, recipe_on

    recipe, modalities = recipe_on(recipe, clips)
    known = ~np.isnan(labels).all(axis=1)
    folds = deal_folds(np.arange(len(clips)) if groups is None else groups, 6, seed=seed)
    count = len(clips)
    if held is not None:
        clips, labels = clips.joined(held[0]), np.concatenate([labels, held[1]])
        known = np.concatenate([known, ~np.isnan(held[1]).all(axis=1)])
        folds = np.concatenate([np.ones(count, np.intp), np.zeros(len(held[1]), np.intp)])
    train, valid = np.flatnonzero((folds != 0) & known), np.flatnonzero((folds == 0) & known)
    member = Trained(fit=fit_recipe(recipe, modalities, clips, labels, train, valid, seed=seed, device=device))
    said = member.predict(clips)
    mixture = fit_mixture(said[None][:, valid], labels[valid], "0")
    fair = np.full((count, labels.shape[1]), np.nan)
    own = valid[valid < count]
    mixed = mixture.mix(said[None])
    fair[own] = mixed[own]
    score = mean_defined(pearson(labels[valid], mixed[valid]))
    return Auto(
        members=(member,),
        mixture=mixture,
        margins=conformal(labels[valid], mixed[valid], source="residuals of the clips that chose the epoch"),
        chosen=member.name,
        scores={member.name: score},
    ), fair
