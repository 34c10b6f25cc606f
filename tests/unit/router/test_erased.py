"""What remains of a ticket whose customer's data is erased, and when that may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import Basis, Channel, Crs, Place, PlaceCandidate, Position, Recipient
from services.router import store
from services.router.domain.deciding import placed, settle
from services.router.domain.erased import Live, erased, why_live
from services.router.domain.log import Did, Event
from services.router.domain.ticket import Located, ReportState
from services.router.domain.versions import merged, worked
from tests.unit.router.making import AT_HOME, BOUNDS, MINUTE, NOON, SHIPPED, after, claimed, contact

if TYPE_CHECKING:
    from services.router.domain.ticket import Ticket

LATER = NOON + timedelta(days=400)
SPOT = {"lat": 30.1234, "lon": 110.1234}
HOME = Place(
    area="S1", feeder="F1", transformer_id="T1", account_id="A-WANG", confidence=0.9, basis=Basis.ACCOUNT,
    evidence=("account",), **SPOT,
    candidates=(PlaceCandidate(area="S1", transformer_id="T1", account_id="A-WANG", weight=0.9),),
)  # fmt: skip
NAMED = ("王小明", "A-WANG", "13912345678", "幸福路", "30.1234", "110.1234", "openid-wang", "听不清", "A-LI")


def of_wang(text: str = "我是王小明,家里停电了", business_type: str | None = None) -> Ticket:
    """A ticket that names its customer in all fields that can."""
    to = Recipient(channel=Channel.WECHAT, address="openid-wang", account="gh_1")
    told = contact(
        "e1", thread="t", text=text, business_type=business_type, account_id="A-WANG", phone="13912345678",
        address="幸福路7号", position=Position(**SPOT, crs=Crs.WGS84), reply_to=to,
    )  # fmt: skip
    interim = {"reply_to": to, "final": False, "facts": {"transcript_final": False}}
    unsure = contact("e2", thread="t", minutes=1, text="听不清", **interim)
    return after(told, unsure, located=Located(HOME))


def test_nothing_names_the_customer_and_what_was_decided_stays() -> None:
    elsewhere = HOME.model_copy(update={"account_id": "A-LI"})
    event = Event(did=Did.PLACED, at=NOON, by="t", agent="ann", place=elsewhere)
    ticket = worked(claimed(of_wang()), [event], NOON)
    assert [word for word in NAMED if word not in store.written(ticket)] == []

    forgotten = erased(ticket, LATER)
    assert [word for word in NAMED if word in store.written(forgotten)] == []
    assert store.read(store.written(forgotten)) == forgotten
    assert forgotten.erased_at == LATER
    assert erased(forgotten, LATER + MINUTE) == forgotten, "again, it changes nothing"
    for what in (
        "ticket_id", "ticket_ref", "version", "contacts", "state", "standing", "report", "queue", "priority",
        "tellings", "routed_at", "counted",
    ):  # fmt: skip
        assert getattr(forgotten, what) == getattr(ticket, what), what
    assert forgotten.classification.business_type == ticket.classification.business_type
    assert (forgotten.place.area, forgotten.place.transformer_id) == ("S1", "T1")


@pytest.mark.parametrize("answered", [True, False])
def test_dedups_word_comes_too_late_for_an_erased_ticket(answered: bool) -> None:
    sent = after(contact(text="停电了"), located=AT_HOME)
    assert sent.report is ReportState.SENT
    gone = erased(sent, LATER)
    assert settle(gone, answered=answered, reason="device_unknown", rules=SHIPPED, now=LATER) is gone
    assert settle(sent, answered=answered, reason="device_unknown", rules=SHIPPED, now=LATER) is not sent
    back = replace(gone, report=ReportState.RETURNED)
    assert placed(back, answered=answered, rules=SHIPPED, bounds=BOUNDS, now=LATER) is back


def test_what_is_open_or_part_of_it_or_too_young_is_left() -> None:
    waiting = of_wang("我要投诉", "complaint")
    done = worked(claimed(waiting), [Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann")], NOON)
    sent = after(contact(text="停电了"), located=AT_HOME)
    part = merged(waiting, done.ticket_id, NOON)
    assert why_live(waiting, None, LATER) is Live.OPEN
    assert why_live(claimed(waiting), None, LATER) is Live.OPEN
    assert why_live(done, None, LATER) is None
    assert why_live(done, None, done.routed_at) is Live.RECENT
    assert why_live(done, None, done.routed_at + MINUTE) is None
    assert why_live(sent, None, LATER) is None, "whether its outage is over, dedup says"
    assert why_live(part, done, LATER) is None
    assert why_live(part, waiting, LATER) is Live.STANDS_FOR_IT
