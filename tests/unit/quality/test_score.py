"""The scores, on the vector of the literature and on cases whose answer is plain."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.score import Dispatch, Score, b_cubed, dispatch, pairwise, percentile


def clusters(*groups: str) -> dict[str, int]:
    return {item: number for number, group in enumerate(groups) for item in group}


PREDICTED = clusters("abc", "defg", "hij", "k")
TRUTH = clusters("abd", "cefg", "hijk")


def test_pairwise_gives_the_published_vector():
    score = pairwise(PREDICTED, TRUTH)
    assert score.precision == pytest.approx(7 / 12)
    assert score.recall == pytest.approx(7 / 15)
    assert score.f1 == pytest.approx(0.5185, abs=5e-5)


def test_b_cubed_gives_the_published_vector():
    score = b_cubed(PREDICTED, TRUTH)
    assert score.precision == pytest.approx(0.7424, abs=5e-5)
    assert score.recall == pytest.approx(0.6061, abs=5e-5)
    assert score.f1 == pytest.approx(0.6673, abs=5e-5)


@pytest.mark.parametrize("score", [pairwise, b_cubed])
def test_a_perfect_merging_scores_one(score):
    assert score(TRUTH, TRUTH) == Score(1.0, 1.0)


@pytest.mark.parametrize("score", [pairwise, b_cubed])
def test_nothing_to_merge_is_nothing_wrong(score):
    assert score({}, {}) == Score(1.0, 1.0)


def test_an_item_without_a_cluster_stands_alone():
    assert b_cubed({}, clusters("ab")) == Score(1.0, 0.5)
    assert pairwise({}, clusters("ab")) == Score(1.0, 0.0)


def test_an_item_of_which_the_truth_says_nothing_is_left_out():
    assert b_cubed({**TRUTH, "stray": 0}, TRUTH) == Score(1.0, 1.0)


def test_one_cluster_for_everything_has_full_recall_and_low_precision():
    score = b_cubed(dict.fromkeys(TRUTH, "all"), TRUTH)
    assert score.recall == 1.0
    assert score.precision == pytest.approx((9 + 16 + 16) / 121)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_swapping_prediction_and_truth_swaps_precision_and_recall(pairs):
    predicted = {str(n): pair[0] for n, pair in enumerate(pairs)}
    truth = {str(n): pair[1] for n, pair in enumerate(pairs)}
    for score in (pairwise, b_cubed):
        one, other = score(predicted, truth), score(truth, predicted)
        assert one.precision == pytest.approx(other.recall)
        assert one.recall == pytest.approx(other.precision)


def test_one_order_a_fault_has_nothing_to_spare_and_hides_nothing():
    found = dispatch({"o1": ["a", "b"], "o2": ["c"]}, {"a": "F1", "b": "F1", "c": "F2"})
    assert found == Dispatch(faults=2, orders=2, spare=0, hidden=0)


def test_two_faults_in_one_order_hide_the_smaller_one():
    found = dispatch({"o1": ["a", "b", "c"]}, {"a": "F1", "b": "F1", "c": "F2"})
    assert (found.spare, found.hidden) == (0, 1)
    assert found.hidden_rate == 0.5


def test_one_fault_in_two_orders_makes_one_spare():
    found = dispatch({"o1": ["a"], "o2": ["b"]}, {"a": "F1", "b": "F1"})
    assert (found.spare, found.hidden) == (1, 0)
    assert found.duplicate_rate == 0.5
    assert found.orders_per_fault == 2


def test_an_order_for_a_false_alarm_is_spare():
    found = dispatch({"o1": ["a"], "o2": ["x"]}, {"a": "F1", "x": None})
    assert (found.orders, found.spare, found.hidden) == (2, 1, 0)


def test_an_order_that_lost_all_its_reports_is_spare():
    assert dispatch({"o1": ["a"], "o2": []}, {"a": "F1"}).spare == 1


def test_a_tie_goes_to_the_fault_rather_than_to_the_false_alarm():
    assert dispatch({"o1": ["a", "x"]}, {"a": "F1", "x": None}).hidden == 0


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.0, 1)])
def test_a_percentile_is_by_nearest_rank(share, wanted):
    assert percentile(range(1, 101), share) == wanted


def test_a_percentile_of_nothing_is_no_number():
    assert math.isnan(percentile([], 0.5))
