"""How much of what a text makes people feel a frozen text encoder and a ridge can tell, on two public corpora.

In goes a folder with EmoBank (``emobank/emobank.csv``) and Empathic Reactions (``empathic_reactions/messages.csv``);
out come ``text_ridge.json`` and ``text_ridge.md``: Pearson correlations with 95 % bootstrap intervals, beside the
published figures. Every text is extracted as a clip's transcript would be, and read back from a store.

    python benchmarks/text_ridge.py ../shared/data/text --out results
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from mimetic.evidence.intervals import Interval, interval
from mimetic.extraction import extract
from mimetic.features import feature
from mimetic.records import Clip
from mimetic.store import Store

Floats = NDArray[np.float64]

FEATURES = ("minilm", "words-hashed")
ALPHAS = np.logspace(-3, 3, 25)
INNER, OUTER = 5, 10
PACKAGES = ("mimetic", "numpy", "scikit-learn", "tokenizers", "torch", "transformers")

EMOBANK = {
    "AAN (Zhu et al. 2019)": {"V": 0.424, "A": 0.352, "D": 0.265},
    "RoBERTa-large, tuned (Park et al. 2021)": {"V": 0.838, "A": 0.573, "D": 0.536},
}
EMPATHY = {
    "ridge on fastText (Buechel et al. 2018)": {"empathy": 0.385, "distress": 0.410},
    "CNN on fastText (Buechel et al. 2018)": {"empathy": 0.404, "distress": 0.444},
}
"""Published Pearson correlations: on EmoBank's test part, and the mean of ten folds."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure of ours: a correlation, where its 95 % interval ends, and how the ridge was set."""

    corpus: str
    protocol: str
    feature: str
    target: str
    texts: int
    pearson: float
    low: float
    high: float
    alphas: tuple[float, ...]


def main(
    data: Annotated[Path, typer.Argument(help="The folder of both corpora.")],
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results"),
    workers: Annotated[int | None, typer.Option(help="Processes; 0: this one.")] = None,
) -> None:
    """Measure, and write the results."""
    results = [*emobank(data / "emobank" / "emobank.csv", workers)]
    results += empathic_reactions(data / "empathic_reactions" / "messages.csv", workers)
    out.mkdir(parents=True, exist_ok=True)
    told = {
        "features": {name: feature(name).identity for name in FEATURES},
        "versions": {name: version(name) for name in PACKAGES},
        "published": {"EmoBank": EMOBANK, "Empathic Reactions": EMPATHY},
        "results": [asdict(result) for result in results],
    }
    (out / "text_ridge.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (out / "text_ridge.md").write_text(page(results), "utf-8")


def emobank(file: Path, workers: int | None) -> Iterator[Result]:
    """Train on the official training part, report the official test part; the development part is not used."""
    rows = [row for row in read(file) if row["split"] in ("train", "test")]
    targets = np.array([[float(row[name]) for name in "VAD"] for row in rows])
    train = np.array([row["split"] == "train" for row in rows])
    sentences = np.arange(len(rows))
    for name in FEATURES:
        values = embed(name, [row["text"] for row in rows], workers)
        predicted, alphas = fit(values[train], targets[train], values[~train], sentences[train])
        found = interval(targets[~train], predicted)
        for column, target in enumerate("VAD"):
            one = found.targets[column]
            yield result("EmoBank", "official split", name, target, int((~train).sum()), one, alphas[[column]])


def empathic_reactions(file: Path, workers: int | None) -> Iterator[Result]:
    """Train on nine tenths and predict the tenth, ten times; once with messages dealt out, once with people.

    Every person wrote five messages. The published folds deal out messages, so that a message is mostly predicted by a
    model that has seen its author; the score is the mean over the folds. Intervals draw whole people in both.
    """
    rows = read(file)
    names = ("empathy", "distress")
    targets = np.array([[float(row[name]) for name in names] for row in rows])
    people = np.unique([row["response_id"] for row in rows], return_inverse=True)[1]
    for name in FEATURES:
        values = embed(name, [row["essay"] for row in rows], workers)
        for protocol, units in (("folds of messages", np.arange(len(rows))), ("folds of people", people)):
            predicted, folds, alphas = predict_held_out(values, targets, units)
            for column, target in enumerate(names):
                found = mean_over_folds(targets[:, column], predicted[:, column], folds, people)
                yield result("Empathic Reactions", protocol, name, target, len(rows), found, alphas[:, column])


def result(corpus: str, protocol: str, name: str, target: str, texts: int, found: Interval, alphas: Floats) -> Result:
    """Put a figure together, rounded to what it is worth."""
    value, low, high = (round(number, 4) for number in (found.value, found.low, found.high))
    return Result(
        corpus=corpus,
        protocol=protocol,
        feature=name,
        target=target,
        texts=texts,
        pearson=value,
        low=low,
        high=high,
        alphas=tuple(float(f"{alpha:.3g}") for alpha in alphas),
    )


def read(file: Path) -> list[dict[str, str]]:
    """Read a CSV."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def embed(name: str, texts: Sequence[str], workers: int | None) -> Floats:
    """Give ``(text, dim)``: each text's row, as the store holds it."""
    clips = [Clip(id=f"{place:05}", text=text) for place, text in enumerate(texts)]
    wanted = feature(name)
    with tempfile.TemporaryDirectory() as folder:
        extract(clips, [wanted], Store(Path(folder)), workers=workers)
        stored = Store(Path(folder))[wanted.key]
        values: Floats = np.concatenate([stored[clip.id].values for clip in clips]).astype(np.float64)
    return values


def deal(units: NDArray[np.intp], folds: int, *, seed: int) -> NDArray[np.intp]:
    """Deal units out to folds at random, all rows of a unit to the same: ``(row,)`` numbers from 0."""
    names, which = np.unique(units, return_inverse=True)
    fold = np.arange(len(names)) % folds
    return np.random.default_rng(seed).permutation(fold)[which]


def predict_held_out(
    values: Floats, targets: Floats, units: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Predict each fold from the others: ``(row, target)``, the ``(row,)`` folds, and the ``(fold, target)`` alphas."""
    folds = deal(units, OUTER, seed=0)
    predicted, alphas = np.zeros_like(targets), np.zeros((OUTER, targets.shape[1]))
    for fold in range(OUTER):
        train = folds != fold
        predicted[~train], alphas[fold] = fit(values[train], targets[train], values[~train], units[train])
    return predicted, folds, alphas


def fit(values: Floats, targets: Floats, others: Floats, units: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Fit a ridge a target and predict other rows, ``(row, target)``; give the alphas too.

    An alpha is the one with the least squared error over ``INNER`` folds of the rows to train on.
    """
    folds = deal(units, INNER, seed=1)
    errors = np.zeros((len(ALPHAS), targets.shape[1]))
    for fold in range(INNER):
        inner, held = folds != fold, folds == fold
        for place, alpha in enumerate(ALPHAS):
            guessed = Ridge(alpha=alpha).fit(values[inner], targets[inner]).predict(values[held])
            errors[place] += ((guessed - targets[held]) ** 2).sum(axis=0)
    chosen = ALPHAS[errors.argmin(axis=0)]
    predicted: Floats = Ridge(alpha=chosen).fit(values, targets).predict(others)
    return predicted, chosen


def mean_over_folds(target: Floats, predicted: Floats, folds: NDArray[np.intp], groups: NDArray[np.intp]) -> Interval:
    """Give the mean of the folds' correlations: each fold is a column that has labels in its own rows alone."""
    own = folds[:, None] == np.arange(OUTER)
    return interval(np.where(own, target[:, None], np.nan), np.repeat(predicted[:, None], OUTER, axis=1), groups=groups)


# ---------------------------------------------------------------------------------------------- the page


def page(results: Sequence[Result]) -> str:
    """Write the results as Markdown."""
    return f"""# A frozen text encoder and a ridge

Pearson correlation [95 % bootstrap interval], 10,000 resamples. `minilm` is all-MiniLM-L6-v2, mean of tokens, scaled to
length 1, as `mimetic extract` stores it (float16); `words-hashed` is ours and has learned nothing. The ridge's alpha is
chosen on the rows to train on alone ({INNER} inner folds). Published figures are quoted, not run again; after each
stands where it lies to the interval in its table's first line. Made by `python benchmarks/text_ridge.py DATA`.

## EmoBank, official split (trained on train, 8,062 sentences; test: 1,000)

{table(results, "EmoBank", ("official split",), EMOBANK)}

The tuned RoBERTa-large has 355 million weights that were all trained on these labels; here 385 numbers a target are.

## Empathic Reactions (1,860 messages by 372 people, ten folds, mean over the folds)

{table(results, "Empathic Reactions", ("folds of messages", "folds of people"), EMPATHY)}

The published figures are of ten folds of messages, other ones, without the messages of a development part. Everybody
wrote five messages, so in folds of messages a model has seen nearly every author before; in folds of people none.
"""


def table(
    results: Sequence[Result], corpus: str, protocols: Sequence[str], published: dict[str, dict[str, float]]
) -> str:
    """Write a table: ours line by line, then what others have published."""
    targets = list(next(iter(published.values())))
    lines = [f"| | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
    for name in FEATURES:
        for protocol in protocols:
            found = {r.target: r for r in results if (r.corpus, r.feature, r.protocol) == (corpus, name, protocol)}
            cells = (f"{found[t].pearson:.3f} [{found[t].low:.3f}, {found[t].high:.3f}]" for t in targets)
            lines.append(f"| {name} + ridge, {protocol} | {' | '.join(cells)} |")
    first = {r.target: r for r in results if (r.corpus, r.feature, r.protocol) == (corpus, FEATURES[0], protocols[0])}
    for source, figures in published.items():
        cells = (f"{figures[target]:.3f} ({_place(figures[target], first[target])})" for target in targets)
        lines.append(f"| published: {source} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(figure: float, ours: Result) -> str:
    return "below" if figure < ours.low else "above" if figure > ours.high else "within"


if __name__ == "__main__":
    typer.run(main)
