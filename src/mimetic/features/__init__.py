"""A view becomes a Track. To add an extractor: a file here, a line in ``table.py``.

A *feature* is an extractor with its options, written as ``name`` or ``name+option=value+option=value``: the words
of the command line, of recipes, and of the folders in a store. Every one with a rate has the option ``rate``: its rows
pooled into fixed bins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mimetic.checkpoints import MissingWeights, locate, read_config, weigh
from mimetic.features.table import EXTRACTORS as EXTRACTORS
from mimetic.features.table import LIGHT as LIGHT
from mimetic.folded import Folded, is_folded
from mimetic.models import IN_TORCH, ExtractorEntry, ModelEntry
from mimetic.records import Json, UsageError, find

VIEWS = ("frames", "faces", "audio", "words", "imported")

HALF_FROM_DIM = 256
"""From this many columns on a track is stored in float16: model states survive it, millimetres do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """An extractor's entry with the options that somebody chose. ``key`` is its one spelling."""

    key: str
    entry: ExtractorEntry
    options: Mapping[str, Any]
    view_options: Mapping[str, Any]
    pooled: float | None = None

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.key.partition("+")[0]

    @property
    def dim(self) -> int:
        """Columns of the track; of another model than the entry's own, as its configuration says.

        Raises
        ------
        MissingWeights
            if that model is not there.
        """
        if (told := self.options.get("dim")) is not None:
            return int(told)
        heads = self.options.get("heads", False)
        if self.options.get("model") is None or not isinstance(self.entry, ModelEntry):
            return int(self.entry.dim + 3 * heads)
        if "dim" in self.options:  # its width need not stand in a configuration: the extractor tells it
            return int(self.make().dim)
        return _width(read_config(self.checkpoint), scores=bool(self.entry.classes or heads), name=self.name)

    @property
    def sampling(self) -> float:
        """Rows a second as they are extracted; of pictures: how many a second are looked at. 0: one a clip."""
        return float(self.options.get("fps", self.entry.rate))

    @property
    def rate(self) -> float:
        """Rows a second of the track, after pooling; 0 for one vector a clip."""
        return self.sampling if self.pooled is None else self.pooled

    @property
    def dtype(self) -> str:
        """The type its values are stored in."""
        return "float16" if self.dim >= HALF_FROM_DIM else "float32"

    @property
    def checkpoint(self) -> Path:
        """The folder of the model's files.

        Raises
        ------
        MissingWeights
            if they are not on this machine, and the hub is out of reach.
        """
        return locate(self.options.get("model") or self.entry.model, self._revision, name=self.name)

    @property
    def _revision(self) -> str | None:
        return self.entry.revision if self.options.get("model") is None else None

    @property
    def identity(self) -> Json:
        """All that decides its values: what a store's rows are signed with."""
        own = self.options.get("model") is not None
        told = {key: value for key, value in self.options.items() if key != "model"}
        return {
            "extractor": self.name,
            "options": told,
            "view": self.entry.view,
            "view_options": self._signed_view(),
            "model": weigh(self.checkpoint) if own else self.entry.model,
            "revision": None if own else self.entry.revision,
            "dim": self.dim,
            "rate": self.rate,
            "dtype": self.dtype,
        }

    def _signed_view(self) -> Json:
        """Give the view's options, the detector's model by what is in its file."""
        model = self.view_options.get("detector_model")
        signed = weigh(Path(model)) if model and Path(model).is_file() else model
        return {**self.view_options, **({"detector_model": signed} if model else {})}

    def matches(self, identity: Mapping[str, Any]) -> bool:
        """Tell whether stored rows are this feature's.

        Who made them (``"made"``: imported, simulated) is not asked; nor, where this feature's model is not on this
        machine, what it weighs; nor of simulated rows how many there are a second.
        """
        ignored = {"made", *(("rate",) if identity.get("made") == "simulated" else ())}
        try:
            known = self.identity
        except MissingWeights:
            known = {**self._without_model(), "rate": self.rate}
            ignored |= {"model", "dim", "dtype"}
        stored, known = ({k: v for k, v in told.items() if k not in ignored} for told in (identity, known))
        return stored == known

    def _without_model(self) -> Json:
        told = {key: value for key, value in self.options.items() if key != "model"}
        return {
            "extractor": self.name,
            "options": told,
            "view": self.entry.view,
            "view_options": self._signed_view(),
            "revision": None,
        }

    @property
    def exact(self) -> Feature:
        """The same feature as float32 gives it, whatever precision was chosen."""
        options = self.options
        return replace(self, options={**options, "precision": "fp32"}) if "precision" in options else self

    def make(self) -> Any:
        """Build the extractor: an ``Extractor``, or a ``ModelExtractor`` where the entry is a ``ModelEntry``.

        One in ``int8`` computes in float32, until a backend has its own network put in (``mimetic.backends``).
        """
        if isinstance(self.entry, ModelEntry):
            chosen = self.options if self.options.get("precision") in IN_TORCH else self.exact.options
            told = {key: value for key, value in chosen.items() if key not in ("model", "fps")}
            made = partial(self.entry.load(), **told)
            return Folded(self.checkpoint, made) if is_folded(self.checkpoint) else made(self.checkpoint)
        return self.entry.load()(**self.options)


def _width(config: Json, *, scores: bool, name: str) -> int:
    """Count the columns that a checkpoint gives, from its configuration."""
    config = {"hidden_size": 768, **config["vision_config"]} if "vision_config" in config else config
    try:
        hidden = int(config["hidden_size"] if "hidden_size" in config else config["dim"])
    except (KeyError, TypeError, ValueError):
        remedy = (
            "Its config.json has no hidden_size, nor dim; +dim=NUMBER gives it, where the extractor has that option."
        )
        raise UsageError(f"{name}: the model does not tell its width", remedy=remedy) from None
    return hidden + scores * len(config.get("id2label") or {"0": "", "1": ""})


def feature(text: str, table: Mapping[str, ExtractorEntry] = EXTRACTORS) -> Feature:
    """Read ``name+option=value``.

    >>> feature("face-appearance+detector=mediapipe").view_options["detector"]
    'mediapipe'

    Raises
    ------
    UnknownName
        for a name that the table does not have.
    UsageError
        for an option that the extractor does not have.
    """
    name, *pairs = text.split("+")
    entry = find(table, name, "extractor")
    chosen = dict(_option(text, pair) for pair in pairs)
    pooled = _pooled(entry, name, chosen)
    defaults = {**entry.options, **entry.view_options}
    for option, value in chosen.items():
        if option not in defaults:
            known = ", ".join([*defaults, *(["rate"] if entry.rate else [])]) or "none"
            raise UsageError(f"extractor {name!r} has no option {option!r}", remedy=f"Its options: {known}.")
        chosen[option] = _checked(entry, name, option, value, defaults[option])
    options = {key: chosen.get(key, value) for key, value in entry.options.items()}
    view_options = {key: chosen.get(key, value) for key, value in entry.view_options.items()}
    changed = {key: value for key, value in chosen.items() if value != defaults[key]}
    changed |= {"rate": pooled} if pooled is not None else {}
    key = "+".join([name, *(f"{option}={_spelling(value)}" for option, value in sorted(changed.items()))])
    return Feature(key=key, entry=entry, options=options, view_options=view_options, pooled=pooled)


def features(texts: Iterable[str], table: Mapping[str, ExtractorEntry] = EXTRACTORS) -> tuple[Feature, ...]:
    """Read several, each once, in the order given."""
    return tuple({f.key: f for f in (feature(text, table) for text in texts)}.values())


def _pooled(entry: ExtractorEntry, name: str, chosen: dict[str, Any]) -> float | None:
    """Take the rate to which rows are pooled out of the options; ``None`` where they stay as they are."""
    if "rate" not in chosen or not entry.rate:
        return None
    rate, most = chosen.pop("rate"), float(chosen.get("fps", entry.rate))
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= most:
        raise UsageError(f"{name}'s rate is {rate!r}", remedy=f"It has to be a number above 0, at most {most:g}.")
    return None if rate == most else float(rate)


def _checked(entry: ExtractorEntry, name: str, option: str, value: Any, default: Any) -> Any:
    """Give a value of its default's type; refuse others, numbers that count nothing, and what is no choice."""
    if isinstance(default, bool):
        good, told = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        good, told = type(value) is int and value > 0, "a whole number above 0"
    elif isinstance(default, float):
        good, told = type(value) in (int, float) and 0 < value < float("inf"), "a number above 0"
        value = float(value) if good else value
    elif isinstance(default, str):
        good, told = True, ""
        value = value if isinstance(value, str) else json.dumps(value)
    else:
        good, told = True, ""
    if good and option in entry.choices:
        good, told = value in entry.choices[option], f"one of {', '.join(map(str, entry.choices[option]))}"
    if not good:
        raise UsageError(f"{name}'s {option} is {value!r}", remedy=f"It has to be {told}.")
    return value


def _option(text: str, pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not an extractor with options", remedy="Write name+option=value.")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _spelling(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
