"""Figures against counting by hand, of work in which each of them has something that does not count.

``test_shift`` compares them with the topic of a whole day; there everything is done in time and nobody gives up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from services.contracts.values import Channel, Recipient
from services.router import figures, store
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.seat import Seat, question
from tests.integration.rows_read import Read
from tests.unit.router.making import contact

if TYPE_CHECKING:
    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration

DAY = 86_400.0


async def test_every_figure_is_what_counting_by_hand_says(doors: httpx.AsyncClient, desk: Desk) -> None:
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))

    async def comes(said: ContactReceived) -> ContactReceived:
        desk.now = datetime.now(UTC)
        await desk.take(said)
        return said

    async def takes(said: ContactReceived) -> None:
        assert (await ann.claim(ticket=str(said.ticket_id))).status_code == 200

    async def does(act: str, said: ContactReceived, **told: object) -> None:
        answer = await ann.do(act, said.ticket_id, **told)
        assert answer.status_code == 200, answer.text

    for act in ("decline", "accept"):
        ringing = await comes(question(act, ago=40 * DAY, text="表扬"))
        assert (await ann.offer()).json()["ticket_id"] == str(ringing.ticket_id), "the only one they did not decline"
        await does(act, ringing)

    plain = await comes(question("plain", ago=0, thread="plain"))
    await takes(plain)
    await does("complete", plain, outcome="solved")

    late = await comes(question("late", ago=40 * DAY, text="我要投诉"))
    await takes(late)
    await does("urge", late, reason="customer")
    await does("complete", late, outcome="solved")

    wrong = await comes(question("wrong", ago=300))
    await takes(wrong)
    await does("return", wrong, reason="wrong_queue")
    await takes(wrong)
    await does("transfer", wrong, to_queue="consultation")
    await takes(wrong)
    await does("urge", wrong, reason="customer")
    await does("contact", wrong, outcome="reached")
    await does("wrap-up", wrong)
    await does("complete", wrong, outcome="solved")

    again = await comes(question("again", ago=0, thread="again"))
    await takes(again)
    await does("complete", again, outcome="solved")
    await comes(question("again-2", ago=0, thread="again", text="又不对了"))

    await comes(question("given-up", ago=30, business_type="fault_report", text=None, unconfirmed=True))
    gone = await comes(question("gone", ago=30))
    await does("withdraw", gone, reason="hung_up")

    expected = {
        "service_level": (4, 9),  # plain, again, wrong after its return and after its transfer; of 7 takings and 2 lost
        "answer_rate": (7, 9),
        "abandonment": (2, 9),
        "ring_limit": (1, 2),
        "wrap_up_limit": (1, 1),
        "first_contact_resolution": (2, 4),  # neither what was passed on nor what was opened again
        "repeat_contacts": (0, 4),
        "transfers": (1, 7),
        "returns": (1, 7),
        "timely_handling": (3, 4),
        "timely_complaints": (0, 1),
        "call_back": (1, 4),
        "supervision": (1, 2),
        "correctness": (3, 4),
    }
    kpis = (await ann.ask("kpis", method="GET")).json()["kpis"]
    shown = {kpi["name"]: (kpi["counted"], kpi["of"]) for kpi in kpis}
    assert {name: shown[name] for name in expected} == expected
    assert (shown["told_twice"], shown["told_three_times"]) == ((0, 5), (0, 5)), "of those opened today"
    assert all(kpi["definition"] and kpi["source"] for kpi in kpis)
    others = {"average_wait", "handle_time", "after_contact_time", "occupancy", "told_twice", "told_three_times"}
    assert shown.keys() - expected.keys() == others
    of_complaints = (await ann.ask("kpis?queue=complaint", method="GET")).json()["kpis"]
    assert {kpi["name"]: kpi["of"] for kpi in of_complaints}["timely_handling"] == 1


async def test_what_did_not_end_well_or_is_one_matter_is_not_counted_for_more(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """A call given up that is withdrawn, a write-up left, a hurry that the customer wrote, a ticket of another area."""
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))
    gone, left, hurried = [
        question(event, **told)
        for event, told in (
            ("gone", {"business_type": "fault_report", "text": None, "unconfirmed": True}),
            ("left", {}),
            ("hurried", {"ago": 3000, "text": "停电了", "phone": "13700000001"}),
        )
    ]
    await desk.take(gone, left, hurried, question("hurry", ago=1, text="快点派人来", phone="13700000001"))
    assert (await ann.do("withdraw", gone.ticket_id, reason="hung_up")).status_code == 200
    assert (await ann.claim(ticket=left.ticket_ref)).status_code == 200
    assert (await ann.do("wrap-up", left.ticket_id)).status_code == 200
    assert (await ann.presence("offline")).status_code == 200
    assert (await ann.presence("available")).status_code == 200
    assert (await ann.claim(ticket=hurried.ticket_ref)).status_code == 200
    assert (await ann.do("complete", hurried.ticket_id, outcome="solved")).json()["urges"] == 1
    far = question("far")
    await desk.take(far)
    for act in ({"act": "return", "reason": "not_our_area"}, {"act": "complete", "outcome": "solved"}):
        assert (await ann.claim(ticket=far.ticket_ref)).status_code == 200
        assert (await ann.do(act.pop("act"), far.ticket_id, **act)).status_code == 200
    kpis = (await ann.ask("kpis", method="GET")).json()["kpis"]
    shown = {kpi["name"]: (kpi["counted"], kpi["of"]) for kpi in kpis}
    assert (shown["abandonment"], shown["wrap_up_limit"], shown["supervision"]) == ((1, 5), (0, 1), (1, 1))
    assert shown["correctness"] == (1, 2), "it was routed to another's area"


async def test_a_supervisor_sees_which_matters_are_told_again_and_again(doors: httpx.AsyncClient, desk: Desk) -> None:
    """Whether it joins its open ticket, is a ticket of its own or a call that turns out to be about the same."""
    begins = datetime.now(UTC) - timedelta(hours=6)

    async def tells(event: str, home: str, minutes: float, **told: Any) -> None:
        desk.now = begins + timedelta(minutes=minutes)
        phone = f"1370000000{home}"
        at = {"occurred_at": desk.now, "received_at": desk.now, "phone": phone, "account_id": f"A{home}"}
        reply = Recipient(channel=Channel.PHONE, address=phone)
        await desk.take(contact(event, **{"channel": Channel.PHONE, "reply_to": reply, **at, **told}))

    await tells("once", "1", 0, text="停电了")
    await tells("first", "4", 0, text="停电了")
    await tells("joins", "4", 5, text="还是停电")
    await tells("an hour later", "4", 70, text="停电了")  # a report and a ticket of its own
    await tells("hurry", "4", 75, text="快点派人来")
    await tells("rings", "4", 80, thread="call", final=False)  # no matter yet, so no telling
    await tells("and says", "4", 81, thread="call", text="停电了")
    await tells("bill", "2", 0, text="查电费")

    wallboard = {"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]}
    shown = (await doors.get("/v1/kpis", headers=wallboard)).json()
    figures = {kpi["name"]: (kpi["counted"], kpi["of"]) for kpi in shown["kpis"]}
    assert (figures["told_twice"], figures["told_three_times"]) == ((1, 3), (1, 3))
    told = {(each["queue"], each["business_type"]): each for each in shown["told"]}
    faults = told["repair", "fault_report"]
    assert (faults["told"], faults["twice"], faults["three_times"]) == (2, 1, 1)
    assert told["consultation", "enquiry"]["told"] == 1
    assert desk.tally["contact_repeats"] == 4, "each telling but the first of its matter, once"
    of_queue = (await doors.get("/v1/kpis?queue=consultation", headers=wallboard)).json()
    assert [each["queue"] for each in of_queue["told"]] == ["consultation"]
    assert {kpi["name"]: kpi["of"] for kpi in of_queue["kpis"]}["told_twice"] == 1


async def test_what_is_counted_live_is_what_the_kpis_count(doors: httpx.AsyncClient, desk: Desk) -> None:
    """By the queue in which it was done, also where the act moves the ticket, or the customer's words take it away."""
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))

    def live() -> dict[str, float]:
        acts, handled = "gridline_router_acts_total", "gridline_router_handle_seconds"
        of = {"transfers": ("transferred", "general"), "returns": ("returned", "locate")}
        labels = {name: dict(zip(("did", "queue"), each, strict=True)) for name, each in of.items()}
        found = {name: REGISTRY.get_sample_value(acts, each) or 0.0 for name, each in labels.items()}
        for part in ("handling", "after_contact"):
            found[part] = REGISTRY.get_sample_value(f"{handled}_sum", {"part": part}) or 0.0
        return found

    before = live()
    moved, wrong = question("moved", text="我想问一下"), question("wrong", text="停电了")
    burns = question("burns", ago=0, thread="burns")
    await desk.take(moved, wrong, burns)
    for said, act in (
        (moved, {"act": "transfer", "to_queue": "consultation"}),
        (wrong, {"act": "return", "reason": "not_our_area"}),
    ):
        assert (await ann.claim(ticket=said.ticket_ref)).status_code == 200
        answer = await ann.do(act.pop("act"), said.ticket_id, **act)
        assert answer.status_code == 200, answer.text
    assert (await ann.claim(ticket=burns.ticket_ref)).status_code == 200
    desk.now = datetime.now(UTC) + timedelta(seconds=90)
    await desk.take(question("burns-2", ago=0, thread="burns", text="电表箱着火了"))

    log = await desk.connection.fetch("SELECT did, queue, seconds FROM ticket_log WHERE did <> 'claimed'")
    assert {(row["did"], row["queue"]) for row in log} >= {("transferred", "general"), ("recalled", "consultation")}
    found = {name: n - before[name] for name, n in live().items()}
    for queue, name in (("general", "transfers"), ("locate", "returns")):
        kpis = (await ann.ask(f"kpis?queue={queue}", method="GET")).json()["kpis"]
        shown = {kpi["name"]: kpi["counted"] for kpi in kpis}
        assert (found[name], shown[name]) == (1, 1)
    assert found["handling"] == pytest.approx(sum(row["seconds"] or 0 for row in log), abs=0.01)
    assert found["handling"] > 89


OTHERS = """
INSERT INTO ticket_log (ticket_id, version, n, did, at, body)
SELECT md5('other' || n)::uuid, 1, 0, (ARRAY['reopened', 'contacted', 'returned'])[1 + n % 3],
       now() - interval '40 days', '{}' FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("plan", ["auto", "force_generic_plan"])
async def test_a_period_costs_what_was_completed_in_it(doors: httpx.AsyncClient, desk: Desk, plan: str) -> None:
    """Of 250,000 completed it took 14 seconds: their bodies were read, and the log of all that ever were."""
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))
    for name, urged in (("plain", False), ("late", True)):
        said = question(name, ago=300)
        desk.now = datetime.now(UTC)
        await desk.take(said)
        assert (await ann.claim(ticket=str(said.ticket_id))).status_code == 200
        if urged:
            assert (await ann.do("urge", said.ticket_id, reason="customer")).status_code == 200
        assert (await ann.do("complete", said.ticket_id, outcome="solved")).status_code == 200
    connection = desk.connection
    period = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    before = await figures.count(connection, *period, None, 20, 15)
    assert (before.completed, before.urged, before.correct, before.called) == (2, 1, 2, 0)

    await connection.execute(OTHERS)
    await connection.execute("ANALYZE ticket_log, ticket")
    await connection.execute("UPDATE ticket SET body = '{}' WHERE state = 'closed'")
    await connection.execute(f"SET plan_cache_mode = {plan}")
    reading = Read(connection)
    assert await figures.count(reading, *period, None, 20, 15) == before  # type: ignore[arg-type]
    assert reading.most < (1000, "")


async def test_the_longest_wait_is_of_a_person_and_not_the_age_of_a_ticket_that_came_back(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))

    async def longest(queue: str) -> float:
        queues = (await ann.ask("kpis", method="GET")).json()["backlog"]
        [found] = [one["oldest_seconds"] for one in queues if one["name"] == queue]
        return float(found)

    await desk.take(question("old", ago=10 * DAY, thread="old"), question("burns", ago=3000, thread="burns"))
    assert (await ann.claim()).status_code == (await ann.claim()).status_code == 200
    old = question("old-2", ago=0, thread="old", text="还是不对")
    assert (await ann.do("complete", old.ticket_id, outcome="solved")).status_code == 200
    assert await longest("consultation") == 0
    desk.now = datetime.now(UTC)
    await desk.take(old, question("burns-2", ago=0, thread="burns", text="电表箱着火了"))
    assert await longest("consultation") < 60, "since it was opened again"
    assert await longest("emergency") < 60, "since the danger is known"
    await desk.take(question("waits", ago=600, phone="13700000009"))
    offered = await ann.offer()
    assert (await ann.do("decline", offered.json()["ticket_id"], reason="busy")).status_code == 200
    assert await longest("consultation") > 590, "who is offered and declined waits on"
    depths = await store.depths(desk.connection)
    assert min(depth.oldest_at for depth in depths) < datetime.now(UTC) - timedelta(seconds=590)


async def test_what_was_completed_stays_what_it_was_whatever_becomes_of_it(
    doors: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened again (by a clock that was set back), urged, given back as another business; and written up too long."""
    ann = await Seat(doors, "ann").begin("*", capacity=9, languages=("*",))
    said, began = question("1", text="我要投诉"), datetime.now(UTC)
    now = began

    async def does(act: str, after: float, **told: object) -> None:
        nonlocal now
        now += timedelta(seconds=after)
        answer = await (ann.claim(**told) if act == "claim" else ann.do(act, said.ticket_id, **told))
        assert answer.status_code == 200, answer.text

    monkeypatch.setattr("services.runtime.clock.now", lambda: now)
    await desk.take(said)
    await does("claim", 1, ticket=said.ticket_ref)
    await does("wrap-up", 1)
    await does("complete", 1801, outcome="solved")
    asked = {"since": (began - timedelta(hours=2)).isoformat(), "until": (now + timedelta(seconds=1)).isoformat()}

    async def shown() -> dict[str, tuple[float, float]]:
        answer = await doors.get("/v1/kpis", params=asked, headers={"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]})
        return {kpi["name"]: (kpi["counted"], kpi["of"]) for kpi in answer.json()["kpis"]}

    names = ("timely_complaints", "supervision", "first_contact_resolution")
    at_first = await shown()
    assert [at_first[name] for name in names] == [(1, 1), (0, 0), (1, 1)]
    assert at_first["wrap_up_limit"] == (0, 1), "half an hour was over, though no timer had looked"
    await does("reopen", -3600, reason="not_solved")
    await does("urge", 1, reason="customer")
    await does("claim", 1, ticket=said.ticket_ref)
    await does("return", 1, reason="wrong_type", business_type="enquiry")
    later = await shown()
    assert [later[name] for name in names] == [(1, 1), (0, 0), (0, 1)]
