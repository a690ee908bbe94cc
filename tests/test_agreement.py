"""Labels' agreement with themselves: published examples to the digit, and planted noise found again."""

from __future__ import annotations

import numpy as np
import pytest

from mimetic.evidence.agreement import (
    intraclass_correlation,
    krippendorff_alpha,
    raters_of,
    share_reliability,
)
from mimetic.records import UsageError

N = np.nan

KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T
"""Data C of Krippendorff 2011: four raters, twelve units."""

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Table 2 of Shrout and Fleiss 1979."""


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_that_of_krippendorff_s_own_example(level: str, published: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF, level=level) == pytest.approx(published, abs=5e-4)


def test_alpha_is_nothing_where_all_say_the_same_and_one_where_clips_differ_and_raters_do_not() -> None:
    assert np.isnan(krippendorff_alpha(np.ones((5, 3))))
    assert np.isnan(krippendorff_alpha([[1.0, N], [N, 2.0]]))
    assert krippendorff_alpha([[1.0, 1.0], [2.0, 2.0], [N, 3.0]]) == 1.0


def test_an_unknown_level_is_told() -> None:
    with pytest.raises(UsageError, match="nominal, ordinal"):
        krippendorff_alpha(KRIPPENDORFF, level="cardinal")


def test_intraclass_correlations_are_those_of_shrout_and_fleiss() -> None:
    found = intraclass_correlation(SHROUT_FLEISS)
    published = {"one": 0.17, "two": 0.29, "three": 0.71, "one_mean": 0.44, "two_mean": 0.62, "three_mean": 0.91}
    assert {name: round(getattr(found, name), 2) for name in published} == published


def test_a_table_with_gaps_has_no_intraclass_correlation() -> None:
    with pytest.raises(UsageError, match="krippendorff_alpha"):
        intraclass_correlation(KRIPPENDORFF)


@pytest.mark.parametrize("digits", [3, 4, 17])
def test_raters_are_read_off_a_row_s_denominators(digits: int) -> None:
    draw = np.random.default_rng(0)
    for raters in range(2, 13):
        seen = draw.integers(0, raters + 1, size=(50, 6))
        found = raters_of(np.round(seen / raters, digits))
        assert all(n == 0 or raters % n == 0 for n in found)
        assert np.mean(found == raters) > 0.5


def test_rows_of_zeros_and_numbers_that_are_no_shares_tell_nothing() -> None:
    assert raters_of([[0.0, 0.0], [1.0, 0.0], [0.1234, 0.5], [1.5, 0.5], [N, N], [N, 0.25]]).tolist() == [
        0,
        0,
        0,
        0,
        0,
        4,
    ]


@pytest.mark.parametrize("raters", [3, 9])
def test_planted_rater_noise_is_found_again(raters: int) -> None:
    draw = np.random.default_rng(1)
    truth = draw.beta(0.5, 1.5, size=(20_000, 2))
    labels = draw.binomial(raters, truth) / raters
    for column, found in enumerate(share_reliability(labels, np.full(len(labels), raters))):
        assert found.limit == pytest.approx(np.corrcoef(truth[:, column], labels[:, column])[0, 1], abs=0.01)
        assert found.clips == len(labels)


def test_raters_that_are_guessed_make_the_limit_lower_never_higher() -> None:
    draw = np.random.default_rng(2)
    labels = draw.binomial(8, draw.beta(0.5, 1.5, size=(5000, 6))) / 8
    for guessed, known in zip(share_reliability(labels), share_reliability(labels, np.full(5000, 8)), strict=True):
        assert guessed.limit <= known.limit + 1e-12
        assert guessed.limit > known.limit - 0.1


def test_a_constant_column_has_no_reliability() -> None:
    (found,) = share_reliability(np.zeros((10, 1)))
    assert np.isnan(found.limit)


def test_what_needs_more_than_thirty_raters_is_no_share_of_a_few() -> None:
    assert raters_of([[1 / 30], [1 / 31]]).tolist() == [30, 0]


def test_two_raters_of_two_clips_are_enough() -> None:
    assert intraclass_correlation([[1.0, 1.0], [3.0, 3.0]]).two == 1.0
    assert krippendorff_alpha([[1.0, 1.0], [2.0, 2.0]], level="ratio") == 1.0  # of differences well below 1
    with pytest.raises(UsageError, match="no complete table"):
        intraclass_correlation([[1.0, 2.0]])


def test_a_share_of_two_raters_tells_and_of_one_only_where_its_scatter_is_known() -> None:
    shares, raters = np.array([[0.5], [1.0], [0.0], [0.4]]), np.array([2, 1, 1, 1])
    (found,) = share_reliability(shares, raters)
    known = np.array([0.5, 1.0, 0.0])
    assert found.clips == 3  # of one rater who says .4 nothing is known
    assert found.share == pytest.approx(max(0.0, 1 - (0.25 / 3) / known.var()))


def test_two_clips_that_differ_have_a_share() -> None:
    (found,) = share_reliability([[0.0], [1.0]])
    assert (found.share, found.limit, found.clips) == (1.0, 1.0, 2)


def test_raters_have_to_be_one_number_a_clip() -> None:
    with pytest.raises(UsageError, match=r"raters is \(2,\) for 3 clips\. Give one number a clip"):
        share_reliability(np.zeros((3, 1)), [5, 5])


def test_raters_are_the_least_number_that_fits_all_of_a_clip() -> None:
    assert raters_of([[0.5], [1 / 3], [1.0], [0.25]]).tolist() == [2, 3, 0, 4]


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_of_one_value_alone_is_not_defined(level: str) -> None:
    assert np.isnan(krippendorff_alpha(np.full((4, 2), 3.0), level=level))
