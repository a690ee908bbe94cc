"""Look-up that was planted is found, with its size; where none was, none is claimed."""

from __future__ import annotations

import numpy as np
import pytest

from mimetic.leakage import measure, transferred
from mimetic.scores import mean_pearson

WORDS = np.array([f"w{i}" for i in range(400)])
CLIPS, TRAIN = 1600, 800


def material(*, planted: float, seed: int = 0) -> tuple[list[str | None], np.ndarray, np.ndarray]:
    """Give texts, labels and predictions: scripts recur, and have a term of their own that predictions may know."""
    draw = np.random.default_rng(seed)
    scripts = [" ".join(draw.choice(WORDS, 12)) for _ in range(CLIPS)]
    which = np.concatenate(
        [
            draw.integers(0, 300, TRAIN),
            np.where(draw.random(TRAIN) < 0.5, draw.integers(0, 300, TRAIN), np.arange(TRAIN) + 600),
        ]
    )
    own = draw.normal(size=(CLIPS, 2))[which]
    heard, rest = draw.normal(size=(CLIPS, 2)), draw.normal(size=(CLIPS, 2))
    labels = heard + planted * own + rest
    seen = np.isin(which, which[:TRAIN])[:, None]
    predicted = heard + planted * np.where(seen, own, 0.0) + 0.5 * draw.normal(size=(CLIPS, 2))
    return [scripts[i] for i in which], labels, predicted


def test_planted_look_up_is_found_with_its_size() -> None:
    texts, labels, predicted = material(planted=1.0)
    rows, train = np.arange(TRAIN, CLIPS), np.arange(TRAIN)
    found = measure(texts, labels, train, rows, predicted[rows], resamples=1000)
    assert 0.4 < found.seen / found.clips < 0.6
    assert found.difference is not None
    true = []
    for seed in range(1, 15):
        texts, labels, predicted = material(planted=1.0, seed=seed)
        again = measure(texts, labels, train, rows, predicted[rows], resamples=20)
        assert again.difference is not None
        true.append(again.difference.difference)
    assert found.difference.low < np.mean(true) < found.difference.high
    assert found.difference.low > 0
    assert "look-up, or those scripts are easier" in found.sentence
    assert found.transfer is not None
    assert found.transfer.low > 0


def test_where_nothing_is_planted_nothing_is_claimed() -> None:
    claims = 0
    rows, train = np.arange(TRAIN, CLIPS), np.arange(TRAIN)
    for seed in range(20):
        texts, labels, predicted = material(planted=0.0, seed=seed)
        found = measure(texts, labels, train, rows, predicted[rows], resamples=200)
        assert found.difference is not None
        claims += found.difference.low > 0
    assert claims <= 3
    assert "no look-up can be told" in found.sentence


def test_labels_are_taken_from_the_nearest_transcript_and_their_mean_where_several_are() -> None:
    texts = ["the cat sat down here", "the cat sat down here", "a dog ran far away", "cat sat here", None, "zzz", ""]
    labels = np.array([[0.0], [1.0], [5.0], [9.0], [9.0], [9.0], [9.0]])
    given = transferred(texts, labels, np.arange(3), np.arange(3, 7))
    np.testing.assert_array_equal(given, [[0.5], [np.nan], [np.nan], [np.nan]])


def test_a_perfect_copy_scores_one() -> None:
    texts, labels, _ = material(planted=1.0)
    everybody = np.arange(300)
    given = transferred(texts, labels, everybody, everybody)
    one_each = np.array([texts[:300].count(text) == 1 for text in texts[:300]])
    assert mean_pearson(labels[:300][one_each], given[one_each]) == pytest.approx(1.0)


def test_too_few_clips_on_a_side_are_said_to_be_so() -> None:
    texts, labels, predicted = material(planted=0.0)
    rows = np.arange(TRAIN, TRAIN + 30)
    found = measure(texts, labels, np.arange(TRAIN), rows, predicted[rows], resamples=20)
    assert found.difference is None
    assert "Too few" in found.sentence
    assert found.as_json()["difference"] is None
