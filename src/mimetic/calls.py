"""What the words of a call mean: the store, the words of all clips, settings, seeds; and what a run is told as."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mimetic.console import figure
from mimetic.contributions import Contributions
from mimetic.datasets import open_dataset, with_words
from mimetic.features import LIGHT, Feature, feature, features
from mimetic.journal import Journal
from mimetic.prediction import as_json
from mimetic.recipes import Recipe
from mimetic.records import BadData, Clip, Dataset, Json, Scores, UsageError
from mimetic.report import Beside
from mimetic.report.ceilings import read_ceilings
from mimetic.runs import Run
from mimetic.sharing import Grouping, grouping
from mimetic.store import Store
from mimetic.tracking import Tracker
from mimetic.training import Watch
from mimetic.transcripts import read_table, with_side_files


def store_of(dataset: Dataset, told: Path | None, *, default: Path | None = None) -> Store:
    """Open the store that was told, or the data set's own, or the default.

    Where a data set's own cannot be written, it is ``NAME.features`` in the working directory, and that is said.
    """
    place = told or dataset.store or default
    if place is None:
        raise UsageError("there is no natural place for the features of these clips", remedy="Give --store DIR.")
    if told is None and not _is_writable(place):
        elsewhere = Path(f"{dataset.name}.features")
        sys.stderr.write(f"{place} cannot be written: features are kept in {elsewhere}\n")
        return Store(elsewhere)
    return Store(place)


def found_store(dataset: Dataset, told: Path | None) -> Store | None:
    """Open the store that was told, or the data set's own, to be read; ``None`` where there is none."""
    place = told or dataset.store
    if place is None or not place.is_dir():
        elsewhere = Path(f"{dataset.name}.features")  # where features are kept if the data set's place is not writable
        return Store(elsewhere) if told is None and elsewhere.is_dir() else None
    return Store(place)


def needed_store(dataset: Dataset, told: Path | None) -> Store:
    """Open the store as ``found_store`` does.

    Raises
    ------
    UsageError
        if there is none.
    """
    store = found_store(dataset, told)
    if store is None:
        raise UsageError(f"{dataset.name} has no features", remedy="Run `mimetic extract`, or give --store DIR.")
    return store


def _is_writable(place: Path) -> bool:
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return os.access(there, os.W_OK)


def worded(dataset: Dataset, words: Path | None) -> Dataset:
    """Give the data set with the words of a table, or of a folder with a file a clip, if one was told."""
    if words is None:
        return dataset
    if words.is_dir():
        return replace(dataset, clips=with_side_files(dataset.clips, words))
    return with_words(dataset, read_table(words))


def worded_clips(clips: Sequence[Clip], words: Path | None) -> tuple[Clip, ...]:
    """Give clips with the words of a table, if one was told."""
    if not clips:
        raise BadData("there are no clips to score", remedy="Give media files, or folders with some.")
    dataset = Dataset(name="clips", clips=tuple(clips), targets=(), labels=np.zeros((len(clips), 0)))
    return worded(dataset, words).clips


def beside(data: Path | None, groups: str, words: Path | None = None) -> tuple[Dataset | None, Grouping | None]:
    """Open the data set that was told beside a run, and group its clips if that was asked.

    Raises
    ------
    UsageError
        for groups without a data set that could say them.
    """
    if data is None:
        if groups:
            raise UsageError(f"--groups {groups} needs the data set", remedy="Give --data DATA too.")
        return None, None
    dataset = worded(open_dataset(data), words)
    return dataset, grouping(dataset, *names_in(groups)) if groups else None


def reported(data: Path | None, groups: str, store: Path | None, words: Path | None, *, stills: bool) -> Beside | None:
    """Open what a report may look at beside its runs; ``None`` where no data set was told."""
    dataset, drawn = beside(data, groups, words)
    if data is None or dataset is None:
        if stills:
            raise UsageError("--stills needs the data set", remedy="Give --data DATA too.")
        return None
    place = found_store(dataset, store)
    return Beside(dataset=dataset, store=place, groups=drawn, ceilings=read_ceilings(data), stills=stills)


def names_in(text: str) -> tuple[str, ...]:
    """Read ``NAME,NAME``."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def wanted_features(names: str, models: Sequence[str], precision: str) -> tuple[Feature, ...]:
    """Read ``--with``, and the checkpoints and the precision that are told beside it.

    Raises
    ------
    UsageError
        for a checkpoint that is for none of the extractors.
    """
    texts = list(names_in(names)) or list(LIGHT)
    for told in models:
        extractor, equals, model = told.partition("=")
        if not equals and len(texts) > 1:
            remedy = f"Write --model NAME={told}, with one of: {', '.join(texts)}."
            raise UsageError(f"--model {told} is for one extractor, and there are several", remedy=remedy)
        for_it = [i for i, text in enumerate(texts) if not equals or text.partition("+")[0] == extractor]
        if not for_it:
            remedy = f"Write --model NAME=FOLDER, with one of: {', '.join(texts)}."
            raise UsageError(f"--model {told}: {extractor!r} is not asked for", remedy=remedy)
        for i in for_it:
            texts[i] += f"+model={model if equals else told}"
    if precision != "fp32":
        texts = [f"{text}+precision={precision}" if "precision" in feature(text).options else text for text in texts]
    return features(texts)


def read_share(text: str) -> tuple[int, int]:
    """Read ``2/3``, the second of three shares, as ``(1, 3)``."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard {text} is no share", remedy="Write --shard 1/3, 2/3 or 3/3.")
    return int(number) - 1, int(of)


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``fit.epochs=3``: the value as JSON where it is some, else as text."""
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text} sets nothing", remedy="Write --set fit.epochs=3.")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def read_seeds(text: str) -> list[int]:
    """Read ``0,1,2``; a seed counts once."""
    if not all(number.strip().isdecimal() for number in text.split(",")):
        raise UsageError(f"--seeds {text} are not whole numbers", remedy="Write --seeds 0,1,2.")
    return list(dict.fromkeys(int(number) for number in text.split(",")))


@contextmanager
def tracker_of(name: str, out: Path) -> Iterator[Watch]:
    """Give what logs each epoch in the tool of this name; nothing does if there is no name."""
    if not name:
        yield lambda _recipe, _seed, _line: None
        return
    with closing(Tracker(name, out)) as tracker:
        yield tracker.note


def watch_with(tell: Callable[[str], None], journal: Journal, log: Watch = lambda _recipe, _seed, _line: None) -> Watch:
    """Give what tells each epoch of a training in a line, notes it in the journal, and logs it."""

    def watch(recipe: Recipe, seed: int, line: Json) -> None:
        journal.note(recipe, seed, line)
        log(recipe, seed, line)
        score = figure(line["mean_pearson"])
        tell(f"{recipe.name}, seed {seed}, epoch {line['epoch']} of {recipe.fit.epochs}, validation {score}")

    return watch


def best_score(run: Run) -> float | None:
    """Give the validation score of a run's best epoch; ``None`` if one target's is undefined."""
    line = run.history[run.config["best_epoch"] - 1]
    score: float | None = line["mean_pearson"]
    return None if None in line["pearson"].values() else score


def run_cells(run: Run) -> tuple[object, ...]:
    """Give a run as the table of ``train`` shows it: its recipe, seed, best epoch, score, what was published, place."""
    published = run.recipe.published.get("validation")
    told = "" if published is None else figure(published)
    return run.recipe.name, run.seed, run.config["best_epoch"], figure(best_score(run)), told, run.path


def run_as_json(run: Run) -> Json:
    """Give a run as ``train --json`` prints it."""
    return {
        "run": str(run.path),
        "recipe": run.recipe.name,
        "seed": run.seed,
        "best_epoch": run.config["best_epoch"],
        "mean_pearson": best_score(run),
    }


def scored(clips: Sequence[Clip], scores: Scores, modalities: Sequence[str], added: Contributions | None) -> list[Json]:
    """Give clips as ``predict --json`` prints them; ``contributions`` only where it was asked what adds what."""
    rows = as_json(clips, scores)
    if added is None:
        return rows
    names = ("nothing", *modalities)
    parts = np.concatenate([added.base[:, None], added.values], axis=1).tolist()
    return [
        row | {"contributions": None if row["error"] else _by_name(names, scores.targets, values)}
        for row, values in zip(rows, parts, strict=True)
    ]


def _by_name(names: Sequence[str], targets: Sequence[str], values: Sequence[Sequence[float]]) -> Json:
    return {name: dict(zip(targets, of, strict=True)) for name, of in zip(names, values, strict=True)}


def some(what: str, names: Sequence[str], *, most: int = 5) -> str | None:
    """Say how many names there are, and the first few; nothing where there are none."""
    if not names:
        return None
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{len(names):,} {what}: {', '.join(names[:most])}{more}"


def by_reason(reasons: Mapping[str, Sequence[str]]) -> str:
    """Say why a clip fell short: the features that share a reason together."""
    return "; ".join(f"{', '.join(features)}: {reason}" for reason, features in reasons.items())


def computed_by(key: str, told: Json) -> str:
    """Say which backend computed a feature's rows and, in less than float32, how far from it."""
    said = f"{key}: computed by {told['backend']} {told['version']}"
    if reason := told.get("reason"):
        said += f" ({reason})"
    if not (far := told.get("distance")):
        return said
    said += f" in {told['precision']}"
    if far["median"] is None:
        return f"{said}; too few rows to tell how far from float32"
    cosines = f"median {figure(far['median'])}, 5th percentile {figure(far['fifth'])}"
    return f"{said}; centred cosine with float32 of {far['rows']:,} rows: {cosines}"
