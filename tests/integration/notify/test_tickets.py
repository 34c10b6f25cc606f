"""Every reference given at the door has an answer: of the outage, also for what joined an earlier ticket or was merged
into one; or that people have it, or closed it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from services.cli.record_examples import examples_of
from services.contracts import ids
from services.contracts.messages import ReportSettled, TicketRouted
from services.contracts.topics import TICKET_ROUTED
from services.contracts.values import IncidentState, TicketState
from services.notify.api import make_router
from services.runtime.http import make_app
from tests.integration.notify.test_links import heard
from tests.unit.notify.snapshots import NOW, Snapshots

if TYPE_CHECKING:
    from uuid import UUID

    from services.contracts.messages import IncidentChanged
    from services.runtime.postgres import Pool
    from services.runtime.watched import Watched
    from tests.integration.notify.conftest import Desk

pytestmark = pytest.mark.integration

LIKE = TicketRouted.model_validate(examples_of(TICKET_ROUTED)[0].value)
EARLIER, CALL, AGAIN, OTHER, THIRD = (ids.derive("ticket", name) for name in ("earlier", "call", "again", "o", "third"))


def routed(ticket: UUID, version: int, **values: Any) -> TicketRouted:
    """One of the examples, as another ticket; people have it, unless it is said otherwise."""
    state = TicketState(values.pop("state", "merged" if values.get("merged_into") else "queued"))
    like = TicketRouted.model_validate({**LIKE.model_dump(), "ticket_id": ticket, "ticket_ref": ids.ticket_ref(ticket)})
    return like.model_copy(update={"version": version, "state": state, "merged_into": None, **values})


def opening(make: Snapshots, ticket: UUID, incident: int = 1, **member: Any) -> IncidentChanged:
    named = {"ticket_id": ticket, "ticket_ref": ids.ticket_ref(ticket), "report_id": ids.report_id(ticket)}
    return make.changed(incident, 1, joined=[make.member(incident, incident, **member).model_copy(update=named)])


class Door:
    """Asks as a customer does, with the reference of a ticket."""

    def __init__(self, pool: Pool, templates: Watched[Any]) -> None:
        async def ready() -> list[str]:
            return []

        self._app = make_app("notify", ready=ready)
        self._app.include_router(make_router(pool, templates))

    async def ask(self, ticket: UUID, **query: str) -> httpx.Response:
        asked = {"ticket_ref": ids.ticket_ref(ticket), **query}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://notify") as client:
            return await client.get("/v1/status", params=asked)

    async def stages(self, ticket: UUID) -> list[str]:
        answer = await self.ask(ticket)
        return [one["stage"] for one in answer.json()["reports"]] if answer.is_success else []


@pytest.fixture
def door(pool: Pool, templates: Watched[Any]) -> Door:
    return Door(pool, templates)


async def test_who_told_again_is_told_of_the_outage_under_the_reference_they_were_given(desk: Desk, door: Door) -> None:
    await desk.take(opening(desk.make, EARLIER))
    assert await door.stages(AGAIN) == []

    await desk.take(routed(EARLIER, 2, joined=(CALL, AGAIN)))

    assert await door.stages(AGAIN) == await door.stages(CALL) == await door.stages(EARLIER) == ["received"]
    answer = (await door.ask(AGAIN)).json()
    assert answer["ticket_ref"] == ids.ticket_ref(AGAIN)
    assert ids.ticket_ref(EARLIER) not in str(answer)
    await desk.take(desk.make.changed(1, 2, state=IncidentState.RESTORED, restored_at=NOW))
    assert await door.stages(AGAIN) == ["restored"]
    assert await desk.notices(ticket_ref=ids.ticket_ref(AGAIN)) == [], "who is told unasked is told of one matter once"


async def test_it_may_be_known_that_a_ticket_joined_before_the_outage_it_joined_is(desk: Desk, door: Door) -> None:
    await desk.take(routed(EARLIER, 2, joined=(AGAIN,)), routed(CALL, 2, merged_into=EARLIER))
    assert await door.stages(AGAIN) == await door.stages(CALL) == ["with_person"]
    await desk.take(opening(desk.make, EARLIER))
    assert await door.stages(AGAIN) == await door.stages(CALL) == ["received"]


async def test_what_people_merged_is_told_of_the_outage_until_they_take_it_apart(desk: Desk, door: Door) -> None:
    """A question, merged into another customer's outage: its customer hears of the outage, in their own language."""
    await desk.take(opening(desk.make, OTHER, language="zh-Hans-CN"))
    merged = routed(EARLIER, 3, merged_into=OTHER, change="merged", language="en", joined=(AGAIN,))

    await desk.take(routed(EARLIER, 2, joined=(AGAIN,)), merged)

    for ticket in (EARLIER, AGAIN):
        [told] = (await door.ask(ticket)).json()["reports"]
        assert (told["stage"], told["language"]) == ("received", "en")
        assert ids.ticket_ref(OTHER) not in str(told)
    await desk.take(routed(EARLIER, 2, joined=(AGAIN,)))  # an old version again
    assert await door.stages(AGAIN) == ["received"]
    await desk.take(routed(EARLIER, 4, change="unmerged", joined=(AGAIN,)), merged)
    assert await door.stages(EARLIER) == await door.stages(AGAIN) == ["with_person"]


async def test_nobody_hears_of_the_account_of_a_customer_whose_ticket_stands_for_theirs(desk: Desk, door: Door) -> None:
    owing = ReportSettled(
        **desk.make.member(1, 1).model_dump(include={"language", "recipient"}),
        report_id=ids.report_id(OTHER),
        ticket_id=OTHER,
        ticket_ref=ids.ticket_ref(OTHER),
        area="S1",
        outcome="answered",
        reason="arrears",
        settled_at=NOW,
    )
    await desk.take(owing, routed(EARLIER, 3, merged_into=OTHER), routed(OTHER, 2, joined=(AGAIN,)))
    own = (await door.ask(OTHER, language="en")).json()["reports"][0]
    assert "account" in own["text"]
    for ticket in (EARLIER, AGAIN):
        [told] = (await door.ask(ticket, language="en")).json()["reports"]
        assert told["stage"] == "answered"
        assert "account" not in told["text"]


async def test_a_report_that_people_merged_is_told_of_its_own_outage(desk: Desk, door: Door) -> None:
    """It has its place in the outage it is in, whatever ticket stands for it."""
    await desk.take(opening(desk.make, EARLIER, 1), opening(desk.make, OTHER, 2))
    await desk.take(routed(EARLIER, 2, joined=(AGAIN,)), routed(EARLIER, 3, merged_into=OTHER, joined=(AGAIN,)))
    await desk.take(desk.make.changed(2, 2, state=IncidentState.RESTORED, restored_at=NOW))
    assert await door.stages(EARLIER) == await door.stages(AGAIN) == ["received"]
    assert await door.stages(OTHER) == ["restored"]


async def test_who_asks_for_it_by_text_message_is_answered_there(desk: Desk) -> None:
    """Whatever number they write from: they were given the reference on another channel."""
    await desk.take(opening(desk.make, EARLIER), routed(EARLIER, 2, joined=(AGAIN,)))
    asking = heard("asks_status", "13900000009")
    for number, ticket in enumerate((AGAIN, EARLIER, THIRD)):
        event = {"event_id": ids.derive("test", number), "ticket_ref": ids.ticket_ref(ticket)}
        await desk.take(asking.model_copy(update=event))
    asked = await desk.notices(stage="asked")
    assert [(row["template"], row["ticket_ref"]) for row in asked] == [
        ("received", ids.ticket_ref(AGAIN)),
        ("received", ids.ticket_ref(EARLIER)),
    ]
    assert {row["recipient_id"] for row in asked} == {asking.recipient_id}


async def test_a_chain_of_merges_is_followed_and_a_circle_ends(desk: Desk, door: Door) -> None:
    await desk.take(opening(desk.make, THIRD))
    await desk.take(routed(EARLIER, 2, joined=(AGAIN,), merged_into=OTHER), routed(OTHER, 2, merged_into=THIRD))
    assert await door.stages(AGAIN) == ["received"]
    await desk.take(routed(CALL, 2, merged_into=CALL))
    assert await door.stages(CALL) == ["with_person"]


def settled(make: Snapshots, ticket: UUID, **values: Any) -> ReportSettled:
    member = make.member(1, 1).model_dump(include={"language", "recipient"})
    named = {"report_id": ids.report_id(ticket), "ticket_id": ticket, "ticket_ref": ids.ticket_ref(ticket)}
    like = {"area": "S1", "outcome": "needs_person", "reason": "no_place", "settled_at": NOW}
    return ReportSettled(**{**member, **named, **like, **values})


async def test_who_reported_an_outage_that_nobody_finds_is_told_that_people_have_it(desk: Desk, door: Door) -> None:
    """It waits in the locate queue, and dedup never hears of it; the customer was given a reference all the same."""
    assert (await door.ask(EARLIER)).status_code == 404

    await desk.take(routed(EARLIER, 1, language="en"))
    await desk.take(routed(EARLIER, 2, state="assigned", language="en", joined=(AGAIN,)))

    [told] = (await door.ask(EARLIER)).json()["reports"]
    assert (told["stage"], told["language"]) == ("with_person", "en")
    assert ids.ticket_ref(EARLIER) in told["text"]
    assert await door.stages(AGAIN) == ["with_person"]
    await desk.take(routed(EARLIER, 3, state="with_dedup"), opening(desk.make, EARLIER))  # an agent found the place
    assert await door.stages(EARLIER) == await door.stages(AGAIN) == ["received"]


async def test_what_people_closed_is_told_to_be_closed_and_when_until_it_is_opened_again(
    desk: Desk, door: Door
) -> None:
    """They had been told that somebody would contact them soon, and were told so for ever."""
    await desk.take(settled(desk.make, OTHER, settled_at=NOW), routed(OTHER, 2), routed(EARLIER, 1))
    assert await door.stages(OTHER) == await door.stages(EARLIER) == ["with_person"]
    closing = {"state": "closed", "routed_at": NOW + timedelta(hours=3)}

    await desk.take(routed(OTHER, 4, **closing), routed(EARLIER, 4, **closing))

    for ticket in (OTHER, EARLIER):
        [told] = (await door.ask(ticket, language="en")).json()["reports"]
        assert told["stage"] == "closed"
        assert datetime.fromisoformat(told["updated_at"]) == closing["routed_at"]
        assert "call 95598" in told["text"]
        assert f"{closing['routed_at'].astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M}" in told["text"]
    later = {"state": "closed", "routed_at": NOW + timedelta(days=9)}  # its customer said how content they were
    await desk.take(routed(OTHER, 5, **later), routed(OTHER, 3))
    assert (await door.ask(OTHER)).json()["reports"][0]["updated_at"].startswith(f"{closing['routed_at']:%Y-%m-%d}")
    await desk.take(routed(OTHER, 6), routed(OTHER, 5, **later))
    assert await door.stages(OTHER) == ["with_person"]


async def test_an_outage_is_told_of_though_people_closed_the_ticket(desk: Desk, door: Door) -> None:
    await desk.take(opening(desk.make, EARLIER), routed(EARLIER, 3, state="closed"))
    assert await door.stages(EARLIER) == ["received"]


async def test_of_a_ticket_that_dedup_has_nothing_is_kept(desk: Desk, door: Door, pool: Pool) -> None:
    await desk.take(routed(EARLIER, 1, state="with_dedup"), routed(OTHER, 2, state="answered"))
    assert await pool.fetchval("SELECT count(*) FROM ticket") == 0


async def test_who_asks_by_text_message_for_what_people_closed_is_told_when(desk: Desk) -> None:
    closed = {"state": "closed", "routed_at": NOW}
    await desk.take(
        routed(AGAIN, 3, **closed), heard("asks_status").model_copy(update={"ticket_ref": ids.ticket_ref(AGAIN)})
    )
    [asked] = await desk.notices(stage="asked")
    assert (asked["template"], asked["closed_at"]) == ("closed", NOW)
    assert asked["restored_at"] is None


async def test_a_ticket_of_which_dedup_has_the_report_again_is_with_people_no_more(desk: Desk, pool: Pool) -> None:
    """In whatever order queues' partitions tell it."""
    await desk.take(routed(EARLIER, 1))
    await desk.take(routed(EARLIER, 3, state="closed"), routed(EARLIER, 4, state="with_dedup"))
    await desk.take(routed(EARLIER, 3, state="closed"))
    [row] = await pool.fetch("SELECT version, closed_at FROM ticket")
    assert (row["version"], row["closed_at"]) == (4, None)


async def test_a_call_that_turned_out_to_be_an_earlier_matter_stays_that(desk: Desk, door: Door) -> None:
    """It was a ticket of its own for a while; its own word may come after that of the ticket it joined, or with it."""
    await desk.take(opening(desk.make, EARLIER), routed(CALL, 1), routed(AGAIN, 1))
    assert await door.stages(CALL) == ["with_person"]
    await desk.take(routed(EARLIER, 2, joined=(CALL, AGAIN)), routed(CALL, 2))
    await desk.take(routed(AGAIN, 2), routed(CALL, 3))
    assert await door.stages(CALL) == await door.stages(AGAIN) == ["received"]
