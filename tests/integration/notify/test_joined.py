"""A reference given at the door for what joined an earlier ticket, or was merged into one, tells of the outage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.cli.record_examples import examples_of
from services.contracts import ids
from services.contracts.messages import ReportSettled, TicketRouted
from services.contracts.topics import TICKET_ROUTED
from services.contracts.values import IncidentState
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
    """One of the examples, as another ticket."""
    state = "merged" if values.get("merged_into") else "queued"
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
    assert (await door.ask(AGAIN)).status_code == 404
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
    assert await door.stages(EARLIER) == await door.stages(AGAIN) == []


async def test_nobody_hears_of_the_account_of_a_customer_whose_ticket_stands_for_theirs(desk: Desk, door: Door) -> None:
    owing = ReportSettled(
        **desk.make.member(1, 1).model_dump(exclude={"customer_class", "ticket_id", "ticket_ref", "report_id"}),
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
    assert (await door.ask(CALL)).status_code == 404
