"""Tickets that are kept for an agent a while: transferred to them, or of a customer they know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from services.router import roster, store
from services.router.attendance import sweep
from services.router.timers import wake
from tests.integration.router.seat import Seat, at_work, let_pass, question

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_a_transfer_is_kept_for_its_agent_for_a_while_and_a_return_is_routed_again(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1")
    await desk.take(said)
    ann, bob, cy = [await Seat(doors, name).begin("*") for name in ("ann", "bob", "cy")]
    await ann.claim()
    moved = (await ann.do("transfer", said.ticket_id, to_queue="complaint", to_agent="bob")).json()
    assert (moved["queue"], moved["held_for"], moved["state"]) == ("complaint", "bob", "queued")
    assert (await cy.claim()).status_code == 204
    assert (await cy.claim(ticket=said.ticket_ref)).json()["errors"][0]["reason"] == "kept_for_another"
    await people.pool.execute("UPDATE ticket SET wake_at = now()")
    assert await wake(people) == 1, "its clock is looked at, and the hold is not over"
    assert (await bob.claim()).json()["agent"] == "bob"
    back = (await bob.do("return", said.ticket_id, reason="wrong_type", business_type="service_request")).json()
    assert (back["queue"], back["business_type"]) == ("service_request", "service_request")
    assert (await cy.claim()).json()["queue"] == "service_request"
    lost = (await cy.do("return", said.ticket_id, reason="wrong_queue")).json()
    assert lost["queue"] == "general", "to those who take everything, not back where it was wrong"
    wrong = await cy.do("transfer", said.ticket_id, to_queue="nowhere")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to_queue")


async def test_who_a_ticket_is_kept_for_claims_it_by_name_whatever_queue_it_is_in(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """Transferred to an agent of another queue, or opened again by who talks to its customer: a poll gives it too."""
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    bob, cy = [await Seat(doors, name).begin("complaint") for name in ("bob", "cy")]
    await ann.claim()
    assert (await ann.do("transfer", said.ticket_id, to_agent="bob")).status_code == 200
    assert (await cy.claim(ticket=said.ticket_ref)).json()["errors"][0]["reason"] == "not_available"
    assert (await bob.claim(ticket=said.ticket_ref)).json()["agent"] == "bob"
    await bob.do("complete", said.ticket_id, outcome="solved")
    assert (await cy.do("reopen", said.ticket_id, reason="not_solved")).status_code == 200
    assert (await cy.claim(ticket=said.ticket_ref)).json()["agent"] == "cy"


@pytest.mark.parametrize("ends", ["offline", "gone", "removed"])
async def test_nothing_is_kept_for_an_agent_who_has_left(
    doors: httpx.AsyncClient, desk: Desk, people: People, ends: str
) -> None:
    said = question("1")
    await desk.take(said)
    ann, bob, cy = [await Seat(doors, name).begin("consultation") for name in ("ann", "bob", "cy")]
    await ann.claim()
    assert (await ann.do("transfer", said.ticket_id, to_agent="bob")).json()["held_for"] == "bob"
    if ends == "gone":
        await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h' WHERE agent_id = 'bob'")
        assert await sweep(people) == 1
    elif ends == "removed":
        assert (await bob.ask("agents/bob", method="DELETE")).status_code == 204
    else:
        assert (await bob.presence("offline")).status_code == 200
    assert (await cy.claim()).json()["ticket_id"] == str(said.ticket_id), "at once"


async def test_further_words_open_a_closed_ticket_again_for_the_agent_who_knows_it(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    ann, said = await at_work(doors, desk, thread="t")
    await ann.do("complete", said.ticket_id, outcome="solved")
    await desk.take(question("hung-up", thread="t", ago=0, text=None))
    assert (await desk.ticket(said)).standing == "closed", "a call that ends says nothing"
    await desk.take(question("2", thread="t", ago=0, text="又不对了"))
    ticket = await desk.ticket(said)
    assert (ticket.standing, ticket.work and ticket.work.held_for) == ("queued", "ann")
    assert desk.routed[-1].change == "reopened"
    for n, presence in enumerate(("away", "offline", "gone")):
        await ann.claim()
        await ann.do("complete", said.ticket_id, outcome="solved")
        if presence == "gone":
            assert (await ann.ask("agents/ann", method="DELETE")).status_code == 204
        else:
            assert (await ann.presence(presence)).status_code == 200
        await desk.take(question(f"more-{n}", thread="t", ago=0, text="又不对了"))
        ticket = await desk.ticket(said)
        assert (ticket.standing, ticket.work and ticket.work.held_for) == ("queued", None), "she is not there"
        if presence != "gone":
            assert (await ann.presence("available")).status_code == 200


async def test_what_is_opened_again_is_told_so_though_more_was_said_in_the_same_batch(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    ann, said = await at_work(doors, desk, thread="t")
    await ann.do("complete", said.ticket_id, outcome="solved")
    more = (question(str(n), thread="t", ago=0, text=text, final=False) for n, text in ((2, "快点来人"), (3, "停电了")))
    await desk.take(*more)
    [told] = [one for one in desk.routed[1:] if one.ticket_id == said.ticket_id]
    assert (told.state, told.change) == ("queued", "reopened")


async def test_a_customers_new_ticket_is_kept_for_the_agent_they_spoke_with(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, bob = [
        await Seat(doors, name).begin("consultation", "service_request", "emergency") for name in ("ann", "bob")
    ]
    one = {"phone": "13700000001", "reply_to": None}

    async def asks(name: str, **said: Any) -> dict[str, Any]:
        new = question(name, ago=1, **{**one, **said})
        await desk.take(new)
        [shown] = (await ann.ask(f"tickets/{new.ticket_id}", method="GET")).json()["tickets"]
        return dict(shown)

    first = await asks("1")
    assert first["held_for"] is None, "nobody knows them"
    await ann.claim()
    await ann.do("complete", first["ticket_id"], outcome="solved")
    again = await asks("2")
    assert (again["held_for"], again["version"]) == ("ann", 1)
    assert (await bob.claim()).status_code == 204
    assert (await ann.claim()).json()["ticket_id"] == again["ticket_id"]
    busy = await asks("3", business_type="service_request", text=None)
    assert busy["held_for"] is None, "she has as much as she can"
    assert (await bob.claim()).json()["ticket_id"] == busy["ticket_id"]
    await ann.do("complete", again["ticket_id"], outcome="solved")
    await bob.do("contact", busy["ticket_id"], outcome="not_reached")
    third = await asks("3 again")
    assert third["held_for"] == "ann", "they did not speak with bob"
    assert (await ann.claim()).json()["ticket_id"] == third["ticket_id"]
    await ann.do("complete", third["ticket_id"], outcome="solved")
    assert (await asks("4", text="着火了"))["held_for"] is None, "danger waits for nobody"
    assert (await asks("5", business_type="complaint", text=None))["held_for"] is None, "she does not serve that queue"
    assert (await asks("6", phone="13700000002"))["held_for"] is None, "somebody else"
    await people.pool.execute("UPDATE customer_agent SET at = at - interval '4 d'")
    assert (await asks("7"))["held_for"] is None, "too long ago"
    line = (await store.log_of(desk.connection, UUID(again["ticket_id"])))[0]
    assert (line.did, line.reason, line.to_agent) == ("kept", "known_agent", "ann")
    await roster.forget_known(desk.connection, datetime.now(UTC) - timedelta(days=3))
    assert await desk.connection.fetchval("SELECT count(*) FROM customer_agent") == 0


async def test_what_is_kept_for_an_agent_who_does_not_take_it_is_anybodys(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, bob = [await Seat(doors, name).begin("consultation") for name in ("ann", "bob")]
    said, more = [question(n, ago=ago, phone="13700000001", reply_to=None) for n, ago in (("1", 9), ("2", 1))]
    await desk.take(said)
    await ann.claim()
    await ann.do("complete", said.ticket_id, outcome="solved")
    await desk.take(more)
    await let_pass(people, "held_until", "held_for = 'ann'")
    assert await wake(people) == 1
    assert (await bob.claim()).json()["ticket_id"] == str(more.ticket_id)
