"""A queue that is gone from the tree: what waited in it, what agents had of it, what the doors say, and the way back.

Both ways of taking a tree in: the file changes under a running process, and a process is started anew.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from services.router.tree.book import load_rules
from tests.integration.router.seat import Seat, question
from tests.integration.router.story import faults, told
from tests.integration.router.trees import write
from tests.service_process import SECONDS
from tests.unit.router.making import DESK

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.contracts.messages import ContactReceived
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration

PATIENT = DESK.read_text(encoding="utf-8").replace("offer: 20s", "offer: 9m").replace("presence: 45s", "presence: 9m")
NAMES = ("waiting", "paused", "offered", "declined", "assigned", "writing", "requeued", "lost", "later")


class Scene:
    """A router, desktops at its doors, and how it takes in another tree."""

    def __init__(self, router: Router, client: httpx.AsyncClient, how: str) -> None:
        self.router, self.client, self.how = router, client, how
        self.lead = Seat(client, "lead")
        self.said: list[ContactReceived] = []
        self.asked = 0

    async def say(self, *contacts: ContactReceived) -> None:
        self.said += contacts
        await self.router.say(CONTACT_RECEIVED, *contacts)
        for one in contacts:
            await self.shows(one, lambda _: True)

    async def get(self, path: str) -> httpx.Response:
        return await self.lead.ask(path, method="GET")

    async def ticket(self, of: ContactReceived) -> dict[str, Any] | None:
        answer = await self.get(f"tickets/{of.ticket_id}")
        assert answer.status_code in {200, 404}, answer.text
        return answer.json()["tickets"][0] if answer.status_code == 200 else None

    async def shows(self, of: ContactReceived, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a ticket is shown as wanted."""
        end, seen = time.monotonic() + SECONDS, None
        while time.monotonic() < end:
            seen = await self.ticket(of)
            if seen is not None and holds(seen):
                return seen
            await asyncio.sleep(0.1)
        pytest.fail(f"a ticket is not shown as wanted, but in {seen and seen['queue']}: {seen and seen['state']}")

    async def takes_in(self, *, new: bool) -> str:
        """Let the old or the new tree be the one in force; return its hash."""
        folder = self.router.folder
        if self.how == "restart":
            assert await self.router.terminate() == 0, self.router.log[-3000:]
        write(folder, new=new)
        tree = load_rules(folder / "routes.yaml", folder / "classify.yaml").hash
        if self.how == "restart":
            self.router.start()
            await self.router.wait_ready()
        end = time.monotonic() + SECONDS
        while (await self.get("queues")).json()["tree_hash"] != tree:
            assert time.monotonic() < end, self.router.log[-3000:]
            await asyncio.sleep(0.1)
        return tree


@pytest.mark.parametrize("how", ["reload", "restart"])
async def test_a_queue_gone_from_the_tree_strands_nothing_and_the_old_tree_may_come_back(
    running: Router, how: str
) -> None:
    write(running.folder, new=False)
    (running.folder / "desk.yaml").write_text(PATIENT, encoding="utf-8")
    running.own |= {"queue_gauge_seconds": "0.5", "desk_file": str(running.folder / "desk.yaml")}
    running.start()
    await running.wait_ready()
    async with httpx.AsyncClient(base_url=running.url, timeout=SECONDS) as client:
        scene = Scene(running, client, how)
        old = (await scene.get("queues")).json()["tree_hash"]
        seats = {name: await Seat(client, name).begin("consultation") for name in ("ann", "bob", "cy", "dan")}
        of = await work_begins(scene, seats)
        before = {name: await scene.shows(one, lambda _: True) for name, one in of.items()}
        assert {name: each["queue"] for name, each in before.items()} == dict.fromkeys(before, "consultation")

        # It overflows into a queue that is gone by then: its plan is of the old tree.
        of["overflows"] = question(f"{how}-overflows", ago=0, text="表扬师傅")
        await scene.say(of["overflows"])
        before["overflows"] = await scene.shows(of["overflows"], lambda each: each["queue"] == "general")
        new = await scene.takes_in(new=True)
        waiting = ("waiting", "paused", "moved", "later", "overflows")
        for name in waiting:
            queue = "complaint" if name == "moved" else "questions"
            after = await scene.shows(of[name], lambda each, queue=queue: each["queue"] == queue)
            assert after["reason"]["tree_hash"] == new
            assert (after["state"], after["opened_at"]) == ("queued", before[name]["opened_at"])
            assert [(due["stage"], due["due_at"]) for due in after["due"]] == [
                (due["stage"], due["due_at"]) for due in before[name]["due"]
            ], "no clock is lost, or begins anew"
            assert after["paused"] is (name == "paused")
            log = (await scene.get(f"tickets/{of[name].ticket_id}/log")).json()["log"]
            assert [(line["queue"], line["reason"], line["by"]) for line in log if line["did"] == "rerouted"] == [
                ("consultation", "queue_gone", "gridline")
            ]
        await what_agents_have_stays_with_them(scene, seats, of)
        await the_doors_say_so(scene)
        assert await figures_of_what_is_gone(scene) == 5, "the offer that was accepted, and four that were claimed"

        eve = await Seat(client, "eve").begin("questions", capacity=20)
        theirs = [of[name] for name in ("declined", "waiting", "paused", "requeued", "lost", "later", "overflows")]
        order = [(await eve.claim()).json().get("ticket_id") for _ in theirs]
        assert order == [str(one.ticket_id) for one in theirs], "the urgent one, then by their places as of old"
        assert (await eve.claim()).status_code == 204
        for key in order:
            assert (await eve.do("complete", key, outcome="solved")).status_code == 200
        fay = await Seat(client, "fay").begin("complaint")
        assert (await fay.claim(ticket=str(of["moved"].ticket_id))).status_code == 200
        assert (await fay.do("complete", of["moved"].ticket_id, outcome="passed_on")).status_code == 200

        await and_back(scene, eve, seats["ann"], old)
    tally = await running.counted(lambda seen: seen["contact_closed"] == len(scene.said))
    assert (tally["accepted"], tally["contact_queued"]) == (len(scene.said), 0)
    assert faults(told(await running.published(TICKET_ROUTED)), {one.ticket_id for one in scene.said}) == []


async def work_begins(scene: Scene, seats: dict[str, Seat]) -> dict[str, ContactReceived]:
    """Bring a ticket into each state that it may be in when its queue goes, the oldest first."""
    of = {name: question(f"{scene.how}-{name}", ago=60 - n) for n, name in enumerate(NAMES)}
    of["later"] = question(f"{scene.how}-later", ago=30, text="我有意见")
    of["moved"] = question(f"{scene.how}-moved", ago=20, text="我要投诉")
    await scene.say(*of.values())
    key = {name: str(one.ticket_id) for name, one in of.items()}
    assert (await scene.lead.ask(f"tickets/{key['paused']}/pause", reason="papers")).status_code == 200
    ann, bob, cy, dan = seats.values()
    for seat, name in ((ann, "assigned"), (bob, "requeued"), (cy, "writing"), (dan, "lost")):
        assert (await seat.claim(ticket=key[name])).status_code == 200, name
    assert (await cy.do("wrap-up", key["writing"])).status_code == 200
    gus = await Seat(scene.client, "gus").begin("complaint")
    assert (await gus.claim(ticket=key["moved"])).status_code == 200
    assert (await gus.do("transfer", key["moved"], to_queue="consultation")).status_code == 200
    for name in ("offered", "declined"):
        seats[name] = await Seat(scene.client, f"for-{name}").begin("consultation")
        assert (await scene.lead.ask(f"tickets/{key[name]}/reprioritise", priority="urgent", reason="test")).is_success
        assert (await seats[name].offer()).json()["ticket_id"] == key[name]
    await scene.shows(of["later"], lambda each: each["queue"] == "consultation")
    return of


async def what_agents_have_stays_with_them(
    scene: Scene, seats: dict[str, Seat], of: dict[str, ContactReceived]
) -> None:
    """What was on offer, in hand, written up goes on; what comes back is decided by the tree in force."""
    ann, bob, cy, dan, offered, declined = seats.values()
    for seat, name, phase in ((ann, "assigned", "assigned"), (cy, "writing", "wrap_up"), (bob, "requeued", "assigned")):
        shown = await scene.shows(of[name], lambda _: True)
        assert (shown["queue"], shown["state"], shown["agent"]) == ("consultation", phase, seat.agent)
    assert (await offered.do("accept", of["offered"].ticket_id)).status_code == 200
    assert (await offered.do("complete", of["offered"].ticket_id, outcome="solved")).status_code == 200
    assert (await declined.do("decline", of["declined"].ticket_id, reason="busy")).status_code == 200
    refused = await ann.do("transfer", of["assigned"].ticket_id, to_queue="consultation")
    assert refused.status_code == 422
    assert "consultation is none of" in refused.json()["errors"][0]["reason"]
    for seat, name in ((ann, "assigned"), (cy, "writing")):
        assert (await seat.do("complete", of[name].ticket_id, outcome="solved")).status_code == 200
    refused = await scene.lead.ask(f"tickets/{of['requeued'].ticket_id}/requeue", to_queue="consultation", reason="x")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "to_queue")
    assert (await scene.lead.ask(f"tickets/{of['requeued'].ticket_id}/requeue", reason="x")).status_code == 200
    assert (await dan.presence("offline")).status_code == 200
    for name in ("declined", "requeued", "lost"):
        await scene.shows(of[name], lambda each: (each["queue"], each["state"]) == ("questions", "queued"))
    assert (await bob.offer()).status_code == 204, "a seat of a queue that is gone has nothing, and no error"


async def the_doors_say_so(scene: Scene) -> None:
    """A queue that is gone is named in a refusal, never an error of ours."""
    wrong = await scene.lead.ask("agents/hal", method="PUT", queues=["consultation"])
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "queues")
    assert "consultation: no queue of the tree in force" in wrong.json()["errors"][0]["reason"]
    gone = await scene.get("queues/consultation")
    assert gone.status_code == 404
    assert "no such queue; there are" in gone.json()["detail"]
    assert (await scene.get("warned?queue=consultation")).status_code == 422
    assert (await scene.get("agents?queue=consultation")).status_code == 200, "seats still name it: they can be found"
    shown = {queue["name"]: queue for queue in (await scene.get("queues")).json()["queues"]}
    assert "consultation" not in shown
    assert shown["questions"]["waiting"] >= 6


async def figures_of_what_is_gone(scene: Scene) -> int:
    """Its past is kept, and nothing waits in it any more; return how many tickets were answered there."""
    kpis = (await scene.get("kpis?queue=consultation")).json()
    assert kpis["backlog"] == []
    end = time.monotonic() + SECONDS
    while 'gridline_router_queue_waiting{priority="normal",queue="consultation"}' in await scene.router.metrics():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    return next(int(kpi["of"]) for kpi in kpis["kpis"] if kpi["name"] == "answer_rate")


async def and_back(scene: Scene, new_seat: Seat, old_seat: Seat, old: str) -> None:
    """Roll back while tickets wait in the queue that only the new tree has, and one is in hand."""
    three = [question(f"{scene.how}-back-{n}", ago=10 - n) for n in range(3)]
    await scene.say(*three)
    for one in three:
        await scene.shows(one, lambda each: each["queue"] == "questions")
    assert (await new_seat.claim()).json()["ticket_id"] == str(three[0].ticket_id)
    assert await scene.takes_in(new=False) == old
    for one in three[1:]:
        back = await scene.shows(one, lambda each: each["queue"] == "consultation")
        assert back["reason"]["tree_hash"] == old
    assert (await new_seat.do("complete", three[0].ticket_id, outcome="solved")).status_code == 200
    assert (await old_seat.presence("available")).status_code == 200
    for one in three[1:]:
        assert (await old_seat.claim()).json()["ticket_id"] == str(one.ticket_id)
        assert (await old_seat.do("complete", one.ticket_id, outcome="solved")).status_code == 200
