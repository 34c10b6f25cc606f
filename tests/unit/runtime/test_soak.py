"""The soak, which CI does not run, can still be begun: its modules load, and its faults are what they are called."""

from __future__ import annotations

import inspect

from tests.soak.__main__ import AT_ONCE
from tests.soak.faults import Faults


def test_every_fault_is_a_coroutine_without_arguments_and_those_of_servers_are_among_them():
    names = Faults.names()
    assert len(names) > 15
    assert names >= AT_ONCE
    for name in names:
        fault = getattr(Faults, name)
        assert inspect.iscoroutinefunction(fault)
        assert list(inspect.signature(fault).parameters) == ["self"]
