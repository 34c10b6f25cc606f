"""Gauges whose series come and go."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from services.runtime.metrics import set_all


def test_a_series_that_stays_is_never_missing_and_one_that_is_gone_is():
    class Watched(Gauge):
        def labels(self, *names: str) -> Gauge:
            assert shown().keys() >= stays, "a page that is written now says that nothing waits there"
            return super().labels(*names)

    registry = CollectorRegistry()
    gauge, stays = Watched("waiting", "how much", ("queue", "priority"), registry=registry), set[tuple[str, ...]]()

    def shown() -> dict[tuple[str, ...], float]:
        return {tuple(one.labels.values()): one.value for each in registry.collect() for one in each.samples}

    set_all(gauge, {("a", "high"): 1, ("b", "high"): 2})
    stays = {("b", "high")}
    set_all(gauge, {("b", "high"): 3, ("c", "normal"): 4})
    assert shown() == {("b", "high"): 3, ("c", "normal"): 4}
    set_all(gauge, {})
    assert shown() == {}
