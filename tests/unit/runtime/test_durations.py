"""A histogram that takes many values at once tells what one that takes them one by one does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from services.runtime.metrics import SECONDS, Durations


def told(histogram: Histogram) -> dict[tuple[str, ...], float]:
    samples = [sample for metric in histogram.collect() for sample in metric.samples]
    return {(one.name, *one.labels.values()): one.value for one in samples if not one.name.endswith("_created")}


@given(st.lists(st.one_of(st.sampled_from(SECONDS), st.floats(min_value=0, max_value=1e5)), max_size=30))
def test_all_at_once_is_one_by_one(values: list[float]):
    at_once = Durations("seconds", "Of a test", ("topic",), buckets=SECONDS, registry=CollectorRegistry())
    one_by_one = Histogram("seconds", "Of a test", ("topic",), buckets=SECONDS, registry=CollectorRegistry())
    at_once.labels("a").observe_all(values)
    one_by_one.labels("a")
    for value in values:
        one_by_one.labels("a").observe(value)
    assert told(at_once) == pytest.approx(told(one_by_one))
