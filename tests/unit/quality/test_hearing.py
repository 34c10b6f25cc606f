"""What a replay hears in a report's words is what the router reads in them."""

from __future__ import annotations

import pytest

from services.dedup.replay_reports import Heard
from services.quality.hearing import hearing


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("停电了", Heard()),
        ("户号0900012345，没电", Heard(account_id="0900012345")),
        ("灯一闪一闪的，电压不稳", Heard(other_fault=True)),
        ("灯一闪一闪的，然后就停电了", Heard()),
        ("电线落地，电压也不稳", Heard(hazards=("fallen_wire",), other_fault=True)),
        ("只有我家停电", Heard(single_premise=True)),
    ],
)
def test_words_are_heard_as_the_router_reads_them(text: str, heard: Heard) -> None:
    assert hearing()(text) == heard
