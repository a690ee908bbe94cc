"""Buckets hold each clip's own rows once, padding is nothing, and what was measured badly is known row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mimetic.batches import (
    BUDGET,
    Bucket,
    Ragged,
    buckets_of,
    load_tracks,
    make_batch,
    stored_identity,
)
from mimetic.features import feature
from mimetic.records import Clip, Dataset, StoreError, Track
from mimetic.store import Row, Store, write_shard

CPU = torch.device("cpu")
DIM = 2


def values(rows: int, *, seed: int = 0, dim: int = DIM) -> np.ndarray:
    return np.random.default_rng([seed, rows]).normal(size=(rows, dim)).astype(np.float32)


def track(rows: int, *, seed: int = 0, rate: float = 5.0, sure: np.ndarray | None = None) -> Track:
    notes = {} if sure is None else {"confidence": sure.astype(np.float32)}
    return Track(values=values(rows, seed=seed), rate=rate, valid=np.ones(rows, bool), notes=notes)


def ragged(*lengths: int, rate: float = 5.0) -> Ragged:
    return Ragged([track(rows, seed=i, rate=rate) if rows else None for i, rows in enumerate(lengths)], DIM)


def shapes(buckets: tuple[Bucket, ...]) -> list[tuple[int, int]]:
    return [(int(bucket.values.shape[0]), int(bucket.values.shape[1])) for bucket in buckets]


# ---------------------------------------------------------------------------------------------- buckets


def test_a_bucket_holds_each_clip_s_rows_and_nothing_else() -> None:
    parts = ragged(4, 0, 2, 3)
    (bucket,) = parts.buckets(np.array([3, 1, 0, 2]), CPU)
    assert bucket.rows.tolist() == [3, 0, 2]  # places within the clips asked for, the shortest first
    assert bucket.lengths.tolist() == [2, 3, 4]
    for place, clip in enumerate((2, 3, 0)):
        own = parts.values[clip]
        assert own is not None
        np.testing.assert_array_equal(bucket.values[place, : len(own)].numpy(), own)
        assert not bucket.values[place, len(own) :].any()
    assert bucket.quality is None


def test_clips_that_have_nothing_make_no_bucket() -> None:
    assert ragged(0, 0).buckets(np.array([0, 1]), CPU) == ()
    batch = make_batch([ragged(0, 3), ragged(0, 0)], np.array([0, 1]), CPU)
    assert batch.lengths.tolist() == [[0, 0], [3, 0]]
    assert batch.buckets[1] == ()


def test_a_bucket_ends_where_it_would_hold_more_rows_than_the_budget() -> None:
    half = BUDGET // 2
    assert shapes(ragged(half, half).buckets(np.array([0, 1]), CPU)) == [(2, half)]
    assert shapes(ragged(half, half + 1).buckets(np.array([0, 1]), CPU)) == [(1, half), (1, half + 1)]


def test_padding_up_to_what_a_bucket_costs_is_borne_and_no_more() -> None:
    assert shapes(ragged(1, 33).buckets(np.array([0, 1]), CPU)) == [(2, 33)]
    assert shapes(ragged(1, 34).buckets(np.array([0, 1]), CPU)) == [(1, 1), (1, 34)]
    share = ragged(6_000, 6_000, 7_000)  # 2,000 rows of padding among 19,000
    assert shapes(share.buckets(np.arange(3), CPU)) == [(3, 7_000)]
    more = ragged(6_000, 6_000, 8_000)  # 4,000 among 20,000
    assert shapes(more.buckets(np.arange(3), CPU)) == [(2, 6_000), (1, 8_000)]


def test_padding_is_counted_anew_in_each_bucket() -> None:
    found = ragged(1, 1, 600, 600, 1_500, 1_500).buckets(np.arange(6), CPU)
    assert shapes(found) == [(2, 1), (2, 600), (2, 1_500)]


def test_dropped_modalities_keep_their_place_among_the_clips() -> None:
    parts = [ragged(2, 3, 4), ragged(5, 6, 7)]
    keep = np.array([[True, True], [False, True], [True, False]])
    batch = make_batch(parts, np.arange(3), CPU, keep=keep)
    assert batch.lengths.tolist() == [[2, 5], [0, 6], [4, 0]]
    assert [bucket.rows.tolist() for bucket in batch.buckets[0]] == [[0, 2]]
    assert [bucket.rows.tolist() for bucket in batch.buckets[1]] == [[0, 1]]


def test_tracks_with_gradients_make_the_buckets_that_arrays_do() -> None:
    parts = ragged(4, 2, 900)
    tensors = [torch.from_numpy(np.array(part)).requires_grad_() for part in parts.values]
    places = np.array([7, 8, 9])
    for found, known in zip(buckets_of(tensors, places), parts.buckets_at(np.arange(3), places, CPU), strict=True):
        torch.testing.assert_close(found.values, known.values)
        assert (found.rows.tolist(), found.lengths.tolist()) == (known.rows.tolist(), known.lengths.tolist())
    sum(bucket.values.sum() for bucket in buckets_of(tensors, places)).backward()
    assert all((tensor.grad == 1).all() for tensor in tensors)


def test_half_precision_stays_so_until_the_device_and_is_single_there() -> None:
    half = Track(values=values(3).astype(np.float16), rate=5.0, valid=np.ones(3, bool))
    (bucket,) = Ragged([half, None], DIM).buckets(np.array([0]), CPU)
    assert bucket.values.dtype == torch.float32
    np.testing.assert_array_equal(bucket.values[0].numpy(), half.values.astype(np.float32))
    mixed = Ragged([half, track(3, seed=1)], DIM)
    (bucket,) = mixed.buckets(np.array([0, 1]), CPU)
    np.testing.assert_array_equal(bucket.values[1].numpy(), values(3, seed=1))
    wider = Ragged([half], DIM).holding([values(3, seed=1), None])
    (bucket,) = wider.buckets(np.array([0]), CPU)
    np.testing.assert_array_equal(bucket.values[0].numpy(), values(3, seed=1))


# ---------------------------------------------------------------------------------------------- quality


def test_confidence_is_the_mean_over_measured_rows() -> None:
    sure = Track(
        values=values(4),
        rate=5.0,
        valid=np.array([True, False, True, True]),
        notes={"confidence": np.array([0.5, 0.9, 1.5, -0.5], np.float32)},
    )
    told = Ragged([sure, track(2, seed=1), None], DIM)
    silent = ragged(3, 0, 0)
    batch = make_batch([told, silent], np.arange(3), CPU)
    (bucket,) = batch.buckets[0]
    assert bucket.quality is not None
    # The row without a measurement is gone; what lies outside 0 and 1 counts as its end; padding is 0.
    assert bucket.quality.tolist() == [[1.0, 1.0, 0.0], [0.5, 1.0, 0.0]]
    np.testing.assert_allclose(batch.confidence.numpy(), [[0.5, 1.0], [1.0, 0.0], [0.0, 0.0]])


def test_other_clips_in_the_same_columns_say_nothing_of_quality() -> None:
    part = Ragged([track(3, sure=np.array([0.1, 0.2, 0.3])), None], DIM)
    other = part.holding([None, values(2)])
    assert other.lengths.tolist() == [0, 2]
    assert (other.rate, other.dim) == (part.rate, part.dim)
    (bucket,) = other.buckets(np.array([0, 1]), CPU)
    assert bucket.quality is None
    assert part.lengths.tolist() == [3, 0]
    assert part.quality


# ------------------------------------------------------------------------------------- beginning, drawn


def test_the_beginning_is_so_many_seconds_of_each_clip() -> None:
    part = Ragged([track(9, sure=np.linspace(0, 1, 9)), track(3, seed=1), None], DIM)
    short = part.beginning(1.0)
    assert short.lengths.tolist() == [5, 3, 0]
    np.testing.assert_array_equal(short.values[0], np.array(part.values[0])[:5])
    np.testing.assert_array_equal(short.quality[0], part.quality[0][:5])
    assert part.lengths.tolist() == [9, 3, 0]
    assert part.beginning(0.0) is part
    assert part.beginning(1.8) is part  # nine rows: nothing is longer
    assert part.beginning(1.6).lengths.tolist() == [8, 3, 0]
    assert part.beginning(0.01).lengths.tolist() == [1, 1, 0]  # a row at least
    timeless = ragged(4, rate=0.0)
    assert timeless.beginning(1.0) is timeless


def test_a_window_is_a_stretch_of_so_many_seconds_drawn_anew() -> None:
    part = Ragged([track(20, sure=np.arange(20) / 20), track(3, seed=1), track(20, seed=2)], DIM)
    draw = np.random.default_rng(0)
    starts = set()
    for _ in range(60):
        less = part.drawn(np.array([0, 1]), draw, crop=1.0, masked=0.0)
        assert less.lengths.tolist() == [5, 3, 20]
        first = int(np.flatnonzero((np.array(part.values[0]) == np.array(less.values[0])[0]).all(axis=1))[0])
        np.testing.assert_array_equal(less.values[0], np.array(part.values[0])[first : first + 5])
        np.testing.assert_array_equal(less.quality[0], part.quality[0][first : first + 5])
        np.testing.assert_array_equal(less.values[1], part.values[1])
        starts.add(first)
    assert (min(starts), max(starts)) == (0, 15)  # both ends are drawn
    assert part.lengths.tolist() == [20, 3, 20]


def test_a_masked_stretch_is_one_of_up_to_the_share_and_leaves_a_row() -> None:
    part = ragged(20, 1)
    draw = np.random.default_rng(0)
    gone, holes = set(), set()
    for _ in range(200):
        less = part.drawn(np.array([0, 1]), draw, crop=0.0, masked=0.5)
        whole, left = np.array(part.values[0]), np.array(less.values[0])
        kept = np.array([int(np.flatnonzero((whole == row).all(axis=1))[0]) for row in left])
        missing = np.setdiff1d(np.arange(20), kept)
        assert not len(missing) or np.ptp(missing) == len(missing) - 1  # in one piece
        assert (np.diff(kept) > 0).all()
        assert less.lengths.tolist() == [len(kept), 1]
        gone.add(len(missing))
        holes |= set(missing.tolist())
    assert (min(gone), max(gone)) == (0, 10)
    assert holes == set(range(20))
    assert part.drawn(np.array([1]), draw, crop=0.0, masked=1.0).lengths.tolist() == [20, 1]
    assert min(part.drawn(np.array([0]), draw, crop=0.0, masked=1.0).lengths[0] for _ in range(100)) >= 1


def test_a_clip_without_rows_is_not_drawn_from() -> None:
    part = ragged(0, 4)
    part.values[0] = np.zeros((0, DIM), np.float32)
    less = part.drawn(np.array([0, 1]), np.random.default_rng(0), crop=0.2, masked=0.0)
    assert less.lengths.tolist() == [0, 1]


# ------------------------------------------------------------------------------------------- from a store

WANTED = feature("motion-blocks")


def stored(folder: Path, clips: dict[str, int], index: int = 0, **changed: object) -> Store:
    identity = {**WANTED.identity, **changed}
    rows = []
    for seed, (clip, length) in enumerate(clips.items()):
        content = values(length, seed=seed, dim=int(identity["dim"]))
        one = Track(values=content, rate=5.0, valid=np.ones(length, bool))
        rows.append(Row(clip=clip, source="s", track=one if length else None, reason=None if length else "none"))
    write_shard(folder / WANTED.key, index, identity, rows, "float32")
    return Store(folder)


def data(*ids: str) -> Dataset:
    return Dataset(name="x", clips=tuple(Clip(id=one) for one in ids), labels=np.zeros((len(ids), 1)), targets=("a",))


def test_tracks_come_in_the_data_set_s_order_and_a_clip_without_rows_has_none(tmp_path: Path) -> None:
    store = stored(tmp_path, {"a": 3, "b": 0, "c": 2})
    found = load_tracks(store, WANTED, data("c", "b", "a"))
    assert found.lengths.tolist() == [2, 0, 3]
    assert found.values[1] is None
    assert (found.dim, found.rate) == (WANTED.dim, 5.0)
    np.testing.assert_array_equal(found.values[2], values(3, seed=0, dim=WANTED.dim))
    assert stored_identity(store, WANTED, data("a")) == WANTED.identity


def test_clips_that_were_not_extracted_are_counted_and_three_are_named(tmp_path: Path) -> None:
    store = stored(tmp_path, {"a": 3})
    with pytest.raises(StoreError, match=r"4 clips have no motion-blocks in .* \(b, c, d \.\.\.\)") as refused:
        load_tracks(store, WANTED, data("a", "b", "c", "d", "e"))
    assert "mimetic extract" in str(refused.value.remedy)


def test_what_another_version_computed_is_not_taken(tmp_path: Path) -> None:
    store = stored(tmp_path, {"a": 3}, options={"version": -1})
    with pytest.raises(StoreError, match="as another version computed it"):
        load_tracks(store, WANTED, data("a"))


def test_rows_of_several_models_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path, {"a": 3})
    store = stored(tmp_path, {"b": 3}, index=1, dim=WANTED.dim + 1)
    monkeypatch.setattr(type(WANTED), "matches", lambda self, identity: True)  # as where no model is at hand
    assert load_tracks(store, WANTED, data("b")).dim == WANTED.dim + 1
    with pytest.raises(StoreError, match="of several models"):
        load_tracks(store, WANTED, data("a", "b"))


def test_one_vector_a_clip_has_no_time_to_be_cut() -> None:
    timeless = ragged(3, 1, rate=0.0)
    less = timeless.drawn(np.array([0, 1]), np.random.default_rng(0), crop=1.0, masked=0.0)
    assert less.lengths.tolist() == [3, 1]
    nothing = ragged(3).holding([])
    assert nothing.beginning(1.0) is nothing
