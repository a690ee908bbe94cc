"""The river for arrays: a scikit-learn regressor on clips of several modalities, any of which may be missing.

``X`` is a dictionary: a modality's name, and for each clip ``(time, dim)`` or ``(dim,)`` numbers, a text, or ``None``.
``y`` is ``(clip,)`` or ``(clip, target)``, NaN where nobody said. What comes out has the shape of ``y``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from mimetic.auto import Auto, fit_auto, fit_recipe_fairly
from mimetic.devices import choose_device
from mimetic.modalities import Modalities
from mimetic.recipes import get_recipe
from mimetic.records import BadData, BadRun, UsageError
from mimetic.scores import pearson
from mimetic.sentences import is_installed, of_several, with_sentences
from mimetic.stacking import mean_defined

Floats = NDArray[np.float64]
Clips = Mapping[str, Sequence[ArrayLike | str | None]] | Modalities

FORMAT = 1
CONFIG, ARRAYS = "config.json", "model.safetensors"


class MultimodalRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Predicts numbers from clips of several modalities.

    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> audio = [draw.normal(size=(9, 4)) + i / 20 for i in range(40)]
    >>> model = MultimodalRegressor().fit({"audio": audio, "text": ["well"] * 40}, np.arange(40.0))
    >>> model.predict({"audio": audio[:3]}).shape
    (3,)

    Parameters
    ----------
    recipe
        ``"auto"``: everything that the amount of data allows, mixed out of fold (``mimetic.auto``). Or the name of a
        recipe whose modalities X has, or a TOML file with one: its network alone.
    random_state
        decides folds, first weights and the order of clips.
    device
        where networks are trained: auto, cpu, cuda or mps.

    Attributes
    ----------
    model_
        the fitted model; ``model_.chosen`` and ``model_.scores`` say what was mixed, and how good each part is.
    out_of_fold_
        what is said of each clip of ``fit`` by a model that has not seen it; of a recipe alone, NaN for the clips that
        trained it.
    sentences_
        the texts that were embedded with MiniLM, as the extra ``sentence`` was installed.
    split_
        those of them that were also embedded sentence by sentence, as most have several.
    validation_
        mean Pearson on ``X_val``, where it was given.

    Notes
    -----
    scikit-learn counts a dictionary's keys, not its clips. For ``cross_val_predict`` and ``GridSearchCV``, wrap it:
    ``cross_val_predict(MultimodalRegressor(), Modalities(X), y)``.
    """

    def __init__(self, recipe: str = "auto", *, random_state: int = 0, device: str = "auto") -> None:
        self.recipe = recipe
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        X: Clips,  # noqa: N803 - scikit-learn's name
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        X_val: Clips | None = None,  # noqa: N803
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Fit.

        Parameters
        ----------
        groups
            ``(clip,)``, such as the person: clips of one group are never on both sides of a fold.
        X_val, y_val
            clips to validate on. A recipe's best epoch is chosen on them (without them, on a sixth of X); ``auto``
            chooses on folds of X, and for it they are a score to look at.

        Raises
        ------
        UsageError
            for arrays or labels that cannot be read as such, or do not fit the recipe.
        BadData
            for too few clips with labels.
        """
        clips, labels = _read(X, y)
        device = choose_device(self.device)
        self.sentences_ = tuple(clips.texts) if is_installed() else ()
        self.split_ = of_several(clips) if self.sentences_ and self.recipe == "auto" else ()
        self.one_dimensional_ = np.ndim(y) == 1
        known = None if groups is None else _grouped(groups, len(clips))
        clips = with_sentences(clips, self.sentences_, self.split_, device=device)
        held = None if X_val is None else self._read_held(X_val, y_val, labels.shape[1], device)
        if self.recipe == "auto":
            self.model_, fair = fit_auto(clips, labels, known, seed=self.random_state, device=device)
        else:
            recipe = get_recipe(self.recipe)
            self.model_, fair = fit_recipe_fairly(
                recipe, clips, labels, known, held=held, seed=self.random_state, device=device
            )
        self.out_of_fold_ = self._shaped(fair)
        self.validation_ = None if held is None else mean_defined(pearson(held[1], self.model_.predict(held[0])))
        return self

    def _read_held(
        self,
        X_val: Clips,  # noqa: N803
        y_val: ArrayLike | None,
        targets: int,
        device: str,
    ) -> tuple[Modalities, Floats]:
        if y_val is None:
            raise UsageError("X_val has no y_val", remedy="Give both, or neither.")
        clips, labels = _read(X_val, y_val)
        if labels.shape[1] != targets:
            raise UsageError(f"y_val has {labels.shape[1]} targets, y {targets}", remedy="Give the same targets.")
        return with_sentences(clips, self.sentences_, self.split_, device=device), labels

    def predict(self, X: Clips) -> Floats:  # noqa: N803
        """Give ``(clip,)`` or ``(clip, target)``. Modalities that are not in X are missing; others are not looked at.

        Raises
        ------
        MissingExtra
            if it was fitted on sentences, and the extra is not installed here.
        """
        return self._shaped(self._predict(X))

    def predict_interval(self, X: Clips) -> Floats:  # noqa: N803
        """Give the ends of 90 % intervals, in a last axis of two (split-conformal: ``mimetic.stacking``)."""
        ends = self._around(self._predict(X))
        return ends[:, 0] if self.one_dimensional_ else ends

    def _around(self, predicted: Floats) -> Floats:
        return self.model_.margins.around(predicted)

    def _predict(self, X: Clips) -> Floats:  # noqa: N803
        check_is_fitted(self)
        clips = with_sentences(Modalities(X), self.sentences_, self.split_)
        return self.model_.predict(clips)

    def _shaped(self, predicted: Floats) -> Floats:
        return predicted[:, 0] if self.one_dimensional_ else predicted

    def score(self, X: Clips, y: ArrayLike, sample_weight: None = None) -> float:  # noqa: N803
        """Give the mean Pearson correlation over targets; weights of clips are not supported."""
        if sample_weight is not None:
            raise UsageError("mean Pearson takes no sample_weight", remedy="Leave it out.")
        _, labels = _read(X, y)
        return mean_defined(pearson(labels, self._predict(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.dict = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    # ------------------------------------------------------------------------------------------- on disk

    def save(self, path: Path | str) -> Path:
        """Write a folder, whole or not at all: ``config.json`` and ``model.safetensors``, nothing pickled."""
        check_is_fitted(self)
        config, arrays = self.model_.saved()
        told = {
            "sentences": list(self.sentences_),
            "split": list(self.split_),
            "one_dimensional": self.one_dimensional_,
        }
        content = {"format": FORMAT, "parameters": self.get_params(), **told, "model": config}
        place = Path(path)
        beside = place.with_name(f".{place.name}.part")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        (beside / CONFIG).write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, beside / ARRAYS)
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)
        return place

    @classmethod
    def load(cls, path: Path | str) -> MultimodalRegressor:
        """Open what ``save`` wrote.

        Raises
        ------
        BadRun
            if the folder is none, or was written by a version that this one cannot read.
        """
        place = Path(path)
        try:
            content = json.loads((place / CONFIG).read_text("utf-8"))
            found = content["format"] if "parameters" in content else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            found = None
        if found != FORMAT:
            raise BadRun(f"{place} is no saved MultimodalRegressor", remedy="Give a folder that save() wrote.")
        model = cls(**content["parameters"])
        model.model_ = Auto.restored(content["model"], load_file(place / ARRAYS))
        model.sentences_, model.split_ = tuple(content["sentences"]), tuple(content["split"])
        model.one_dimensional_ = content["one_dimensional"]
        return model


def _read(X: Clips, y: ArrayLike) -> tuple[Modalities, Floats]:  # noqa: N803
    """Give checked clips, and labels as ``(clip, target)``."""
    clips = Modalities(X)
    try:
        labels = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError("y holds no numbers", remedy="Give (clip,) or (clip, target), NaN where unknown.") from None
    if labels.ndim not in (1, 2) or len(labels) != len(clips) or np.isinf(labels).any():
        message = f"y has shape {labels.shape}, and X {len(clips)} clips"
        raise UsageError(message, remedy="Give (clip,) or (clip, target), finite, NaN where unknown.")
    labels = labels.reshape(len(clips), -1)
    if np.isnan(labels).all():
        raise BadData("y has no labels", remedy="Give some.")
    return clips, labels


def _grouped(groups: ArrayLike, clips: int) -> NDArray[np.intp]:
    given = np.asarray(groups)
    if given.shape != (clips,):
        raise UsageError(f"groups has shape {given.shape}, and X {clips} clips", remedy="Give one group a clip.")
    numbers: NDArray[np.intp] = np.unique(given, return_inverse=True)[1].reshape(-1).astype(np.intp)
    return numbers
