"""What training a small text encoder on the labels gains over the same encoder frozen, on two public corpora.

In goes a folder with EmoBank (``emobank/emobank.csv``) and Empathic Reactions (``empathic_reactions/messages.csv``);
out come ``finetune_text.json`` and ``finetune_text.md``: Pearson correlations with 95 % bootstrap intervals of MiniLM
(all-MiniLM-L6-v2, extra ``sentence``) tuned, alone and stacked with words and letters, beside ``auto`` on the same
encoder frozen, words and letters; and the difference, paired.

It takes hours of one thread. Every piece is kept in the folder ``--work``, so that what was stopped goes on;
``--pieces`` says after how many to stop. The page is of the pieces that are there.

    python benchmarks/finetune_text.py ../shared/data/text --out results
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from mimetic.auto import fit_auto
from mimetic.auto.texts import UNITS, fit_texts
from mimetic.evidence.intervals import Interval, compare, interval
from mimetic.features import feature
from mimetic.finetuning import Tuning, alone, finetune
from mimetic.finetuning.settings import DEFAULT_FIT
from mimetic.modalities import Modalities
from mimetic.records import Clip, Dataset
from mimetic.sentences import of_several, with_sentences
from mimetic.stacking import deal_folds, fit_mixture, mix_fairly
from mimetic.store import Store

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

EXTRACTOR = "minilm+normalise=false"
FIT = replace(DEFAULT_FIT, epochs=3)
RATE = 1e-4
PRECISION = "bf16"
STACK = "non-negative"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts and what is known of them.

    ``folds`` ``(text,)`` are the rounds of training, by the fold that each leaves out; -1 is in none of them. ``judge``
    are the rows that tell when to stop; without any, a tenth of the training texts. ``test`` are rows that no round
    learns from; without any, each text is tested by the round that leaves it out.
    """

    name: str
    texts: tuple[str, ...]
    labels: Floats
    targets: tuple[str, ...]
    people: Rows
    folds: Rows
    judge: Rows
    test: Rows

    @property
    def rounds(self) -> range:
        """The numbers of the folds."""
        return range(int(self.folds.max()) + 1)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure: a correlation with its interval."""

    corpus: str
    model: str
    target: str
    texts: int
    pearson: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Tuned and stacked minus frozen and stacked, paired: of one target, or the mean of all."""

    corpus: str
    target: str
    folds: int
    difference: float
    low: float
    high: float


def main(
    data: Annotated[Path, typer.Argument(help="The folder of both corpora.")],
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results"),
    work: Annotated[Path, typer.Option(help="The folder of what is done.")] = Path("finetune_text.work"),
    pieces: Annotated[int | None, typer.Option(help="Stop after so many pieces; all if not told.")] = None,
    corpus: Annotated[str, typer.Option(help="Of one corpus only: its name's beginning.")] = "",
) -> None:
    """Do the pieces that are missing, and write the results of those that are there."""
    known = (emobank(data), empathic_reactions(data))
    wanted = [each for each in known if each.name.startswith(corpus)]
    work.mkdir(parents=True, exist_ok=True)
    for path, make in islice(missing(wanted, work), pieces):
        started = time.process_time()
        arrays = make()
        np.savez(path, seconds=time.process_time() - started, **arrays)
        print(f"{path.name}: {time.process_time() - started:.0f} s", flush=True)  # noqa: T201 - it takes hours
    write(known, work, out)


def emobank(data: Path) -> Corpus:
    """Give the official split: the development part tells when to stop, the test part is tested."""
    rows = read(data / "emobank" / "emobank.csv")
    part = np.array([row["split"] for row in rows])
    train = np.flatnonzero(part == "train")
    folds = np.full(len(rows), -1)
    folds[train] = deal_folds(train, 3)
    return Corpus(
        name="EmoBank",
        texts=tuple(row["text"] for row in rows),
        labels=np.array([[float(row[name]) for name in "VAD"] for row in rows]),
        targets=("V", "A", "D"),
        people=np.arange(len(rows)),
        folds=folds,
        judge=np.flatnonzero(part == "dev"),
        test=np.flatnonzero(part == "test"),
    )


def empathic_reactions(data: Path) -> Corpus:
    """Give ten folds of messages, as published; intervals draw whole people, who wrote five each."""
    rows, names = read(data / "empathic_reactions" / "messages.csv"), ("empathy", "distress")
    none = np.zeros(0, np.intp)
    return Corpus(
        name="Empathic Reactions",
        texts=tuple(row["essay"] for row in rows),
        labels=np.array([[float(row[name]) for name in names] for row in rows]),
        targets=names,
        people=np.unique([row["response_id"] for row in rows], return_inverse=True)[1],
        folds=deal_folds(np.arange(len(rows)), 10),
        judge=none,
        test=none,
    )


def read(file: Path) -> list[dict[str, str]]:
    """Read a CSV."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


# ---------------------------------------------------------------------------------------------- pieces


def missing(corpora: Sequence[Corpus], work: Path) -> Iterator[tuple[Path, Callable[[], Mapping[str, Floats]]]]:
    """Give what is still to be done, corpus by corpus: where it is kept, and what makes it."""
    for corpus in corpora:
        for number in corpus.rounds:
            if not (path := tuned_at(work, corpus, number)).is_file():
                yield path, lambda corpus=corpus, number=number: tuned(corpus, number, work)  # type: ignore[misc]
            if not len(corpus.test) and not (path := frozen_at(work, corpus, number)).is_file():
                yield path, lambda corpus=corpus, number=number: frozen(corpus, corpus.folds == number)  # type: ignore[misc]
        if len(corpus.test) and not (path := frozen_at(work, corpus, 0)).is_file():
            yield path, lambda corpus=corpus: frozen(corpus, is_in(corpus, corpus.test))  # type: ignore[misc]


def tuned_at(work: Path, corpus: Corpus, number: int) -> Path:
    """Say where a round's scores are kept."""
    return work / f"{corpus.name}-tuned-{number}.npz"


def frozen_at(work: Path, corpus: Corpus, number: int) -> Path:
    """Say where the scores of ``auto`` on the frozen encoder are kept."""
    return work / f"{corpus.name}-frozen-{number}.npz"


def is_in(corpus: Corpus, rows: Rows) -> NDArray[np.bool_]:
    """Tell which texts are in some rows."""
    return np.isin(np.arange(len(corpus.texts)), rows)


def tuned(corpus: Corpus, number: int, work: Path) -> dict[str, Floats]:
    """Train encoder and head on all folds but one; give its scores of every text, ``(text, target)``."""
    parts = np.full(len(corpus.texts), "test", dtype="<U5")
    parts[(corpus.folds >= 0) & (corpus.folds != number)] = "train"
    parts[corpus.judge if len(corpus.judge) else corpus.folds == number] = "valid"
    pairs = zip(corpus.texts, parts.tolist(), strict=True)
    dataset = Dataset(
        name=f"{corpus.name}-{number}",
        clips=tuple(Clip(id=f"{i:05d}", text=text, part=part) for i, (text, part) in enumerate(pairs)),
        targets=corpus.targets,
        labels=corpus.labels,
    )
    key = feature(EXTRACTOR).key
    tuning = Tuning(
        recipe=alone(key, fit=FIT),
        live=(key,),
        rate=RATE,
        inner=0.0 if len(corpus.judge) else 0.1,
        at_once=FIT.clips,
        precision=PRECISION,
    )
    run = finetune(dataset, tuning, Store(work / "features"), work / "runs", workers=0)
    return {"predicted": run.outcome.predicted}


def frozen(corpus: Corpus, held: NDArray[np.bool_]) -> dict[str, Floats]:
    """Fit ``auto`` on the texts' frozen vectors, words and letters; give its scores of those that are held out."""
    clips = Modalities({"text": list(corpus.texts)})
    learn = np.flatnonzero((corpus.folds >= 0) & ~held)
    used = np.concatenate([learn, np.flatnonzero(held)])
    clips = with_sentences(clips[used], ["text"], of_several(clips))
    model, _ = fit_auto(clips[: len(learn)], corpus.labels[learn])
    predicted = np.full(corpus.labels.shape, np.nan)
    predicted[used[len(learn) :]] = model.predict(clips[len(learn) :])
    return {"predicted": predicted}


# --------------------------------------------------------------------------------------------- figures


def write(corpora: Sequence[Corpus], work: Path, out: Path) -> None:
    """Write the page, and the figures as JSON, of the corpora that have some."""
    results: list[Result] = []
    gains: list[Gain] = []
    times: dict[str, Any] = {}
    for corpus in corpora:
        done = [number for number in corpus.rounds if is_done(corpus, number, work)]
        if len(done) < (len(corpus.rounds) if len(corpus.test) else 2):
            continue
        times[corpus.name] = {"folds": len(done), "seconds": seconds(corpus, done, work)}
        lines, tested = scores(corpus, done, work)
        results += [found for model, values in lines.items() for found in figures(corpus, model, values, tested)]
        gains += gained(corpus, lines["tuned, stacked"], lines["frozen, stacked"], tested, len(done))
    if not results:
        return
    told = {"settings": settings(), "times": times}
    told |= {"results": [asdict(result) for result in results], "gains": [asdict(gain) for gain in gains]}
    out.mkdir(parents=True, exist_ok=True)
    (out / "finetune_text.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (out / "finetune_text.md").write_text(page(results, gains, times), "utf-8")


def is_done(corpus: Corpus, number: int, work: Path) -> bool:
    """Tell whether a round's pieces are there."""
    frozen_number = 0 if len(corpus.test) else number
    return tuned_at(work, corpus, number).is_file() and frozen_at(work, corpus, frozen_number).is_file()


def seconds(corpus: Corpus, done: Sequence[int], work: Path) -> float:
    """Give the mean processor seconds of a round's training."""
    return round(float(np.mean([np.load(tuned_at(work, corpus, number))["seconds"] for number in done])), 1)


def settings() -> dict[str, Any]:
    """Say what the encoder is tuned with."""
    return {"extractor": EXTRACTOR, "rate": RATE, "precision": PRECISION, "fit": asdict(FIT), "stack": STACK}


def scores(corpus: Corpus, done: Sequence[int], work: Path) -> tuple[dict[str, Floats], Rows]:
    """Give what each model says of the texts that are tested, ``(text, target)`` each, and which these are."""
    rounds = {number: np.load(tuned_at(work, corpus, number))["predicted"] for number in done}
    learned = np.flatnonzero(np.isin(corpus.folds, done))
    own = np.stack([rounds[int(fold)][row] for row, fold in zip(learned, corpus.folds[learned], strict=True)])
    clips, folds, labels = (
        Modalities({"text": list(corpus.texts)}),
        corpus.folds[learned],
        corpus.labels[learned],
    )
    members = [found for unit in UNITS if (found := fit_texts(clips[learned], "text", unit, labels, folds))]
    fair = np.stack([own, *(predicted for _, predicted in members)])
    if not len(corpus.test):
        held = np.concatenate([np.flatnonzero(corpus.folds == number) for number in done])
        known = [np.load(frozen_at(work, corpus, number))["predicted"] for number in done]
        stay = np.nansum(known, axis=0)[learned]
        assert np.array_equal(np.sort(held), learned)
        return lines_of(
            mix_fairly(fair[1:], labels, folds, STACK), stay, own, mix_fairly(fair, labels, folds, STACK)
        ), learned
    mean = np.mean([rounds[number][corpus.test] for number in done], axis=0)
    said = np.stack([mean, *(member.predict(clips[corpus.test]) for member, _ in members)])
    words, both = (fit_mixture(f, labels, STACK).mix(s) for f, s in ((fair[1:], said[1:]), (fair, said)))
    stay = np.load(frozen_at(work, corpus, 0))["predicted"][corpus.test]
    return lines_of(words, stay, mean, both), corpus.test


def lines_of(words: Floats, stay: Floats, head: Floats, both: Floats) -> dict[str, Floats]:
    """Name the models."""
    return {"words and letters": words, "frozen, stacked": stay, "tuned": head, "tuned, stacked": both}


def figures(corpus: Corpus, model: str, predicted: Floats, tested: Rows) -> Iterator[Result]:
    """Give a model's correlation with each target."""
    for column, target in enumerate(corpus.targets):
        found = correlation(corpus, predicted[:, column], tested, column)
        value, low, high = (round(number, 4) for number in (found.value, found.low, found.high))
        told = {"corpus": corpus.name, "model": model, "target": target, "texts": len(tested)}
        yield Result(**told, pearson=value, low=low, high=high)


def split_up(corpus: Corpus, tested: Rows, labels: Floats) -> Floats:
    """Give a target's labels ``(text,)`` in a column for each fold that is tested, so that each has its correlation."""
    own = corpus.folds[tested][:, None] == np.unique(corpus.folds[tested])
    return np.where(own, labels[:, None], np.nan)


def correlation(corpus: Corpus, predicted: Floats, tested: Rows, column: int) -> Interval:
    """Give the correlation over the texts that are tested; of several folds, the mean over them."""
    target = split_up(corpus, tested, corpus.labels[tested, column])
    return interval(target, np.repeat(predicted[:, None], target.shape[1], axis=1), groups=corpus.people[tested])


def gained(corpus: Corpus, tuned: Floats, frozen: Floats, tested: Rows, folds: int) -> Iterator[Gain]:
    """Give the difference for the mean of all targets, and for each."""
    every = range(len(corpus.targets))
    for name, chosen in (("mean", list(every)), *((corpus.targets[column], [column]) for column in every)):
        parts = [split_up(corpus, tested, corpus.labels[tested, column]) for column in chosen]
        width = parts[0].shape[1]
        first, second = (np.repeat(each[:, chosen], width, axis=1) for each in (tuned, frozen))
        found = compare(np.concatenate(parts, axis=1), first, second, groups=corpus.people[tested])
        difference, low, high = (round(number, 4) for number in (found.difference, found.low, found.high))
        yield Gain(corpus=corpus.name, target=name, folds=folds, difference=difference, low=low, high=high)


def page(results: Sequence[Result], gains: Sequence[Gain], times: Mapping[str, Any]) -> str:
    """Write the results as Markdown."""
    lines = [
        f"| {r.corpus} | {r.model} | {r.target} | {r.texts:,} | {r.pearson:.3f} [{r.low:.3f}, {r.high:.3f}] |"
        for r in results
    ]
    differences = [f"| {g.corpus} | {g.target} | {g.difference:+.3f} [{g.low:+.3f}, {g.high:+.3f}] |" for g in gains]
    spent = "; ".join(f"{name}: {of['folds']} trainings of {of['seconds']:,.0f} s" for name, of in times.items())
    return f"""# An encoder trained on the labels, and the same one frozen

Pearson correlation [95 % bootstrap interval], 10,000 resamples (whole people are drawn). *Words and letters*: a ridge
on each, mixed. *Frozen, stacked*: `auto` with the extra `sentence` (all-MiniLM-L6-v2 as it is, words, letters).
*Tuned*: the same encoder trained on the labels with a linear head (`{EXTRACTOR}`, {FIT.epochs} epochs at most, rate
{RATE:g}). *Tuned, stacked*: its scores mixed with words and letters, by weights from texts that no member had learned
from.

EmoBank: the official split; the development part chooses the epoch, and is not used otherwise. Three encoders, each on
two thirds of the training part, so that the mixture sees fair scores; a test text gets the mean of the three.
Empathic Reactions: the mean over folds of messages, held out in turn; a tenth of the others chooses the epoch. The
weights of its mixtures are from the other folds' scores, by encoders that had seen the fold at hand.

Processor seconds of one thread on a shared machine: {spent}. Made by `python benchmarks/finetune_text.py DATA`.

| corpus | model | target | texts | Pearson |
|---|---|---|---|---|
{chr(10).join(lines)}

*Tuned, stacked* minus *frozen, stacked*, on the same texts:

| corpus | target | difference |
|---|---|---|
{chr(10).join(differences)}
"""


if __name__ == "__main__":
    typer.run(main)
