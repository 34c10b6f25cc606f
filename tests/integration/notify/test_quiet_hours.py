"""Quiet hours on a real Postgres and a real gateway: held, kept over a restart, decided again, told once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.contracts.messages import ReportSettled
from services.contracts.values import Channel, CustomerClass, IncidentState
from services.notify import metrics, pending
from services.notify.domain.notice import Stage, Turn
from services.notify.domain.quiet_hours import QuietHours
from services.notify.morning import Morning
from services.runtime.clock import now
from services.runtime.errors import UnavailableError
from tests.integration.notify.conftest import Desk
from tests.integration.notify.test_links import heard
from tests.unit.notify.snapshots import NOW, SETTLED

if TYPE_CHECKING:
    from services.notify.wording import Wording

pytestmark = pytest.mark.integration

HELD = frozenset({Stage.JOINED_KNOWN, Stage.ETR_SET, Stage.ETR_CHANGED, Stage.RESTORED})
SLEEPER = "13800001000"


@dataclass
class Texts:
    """The texts in force, with quiet hours around now as long as it is ``night``."""

    wording: Wording
    night: bool = True
    hold: frozenset[Stage] = field(default=HELD)

    def __call__(self) -> Wording:
        if not self.night:
            return self.wording
        local = now().astimezone(self.wording.zone)
        begins, ends = (local - timedelta(hours=2)).time(), (local + timedelta(hours=2)).time()
        return replace(
            self.wording, quiet=QuietHours(self.wording.zone, begins, ends, self.hold, timedelta(minutes=120))
        )


@pytest.fixture
def texts(templates):
    return Texts(templates())


@pytest.fixture
def desk(pool, texts):
    return Desk(pool, texts)


@pytest.fixture
def deliveries(deliveries, texts):
    deliveries.templates = texts
    return deliveries


@pytest.fixture
def morning(pool, texts):
    return Morning(pool, texts, lambda: None)


class Incident:
    """One incident's snapshots, one after another; they are of long ago unless said to be of now."""

    def __init__(self, desk, number=1):
        self.desk, self.number, self.revision = desk, number, 0

    async def becomes(self, *reports, at_risk=False, just_now=False, contacted_at=None, **changes):
        self.revision += 1
        made = [self.desk.make.member(number, number) for number in reports]
        made = [one.model_copy(update={"contacted_at": contacted_at}) for one in made]
        if at_risk:
            made = [one.model_copy(update={"customer_class": CustomerClass.LIFE_SUPPORT}) for one in made]
        minute = (now() - NOW).total_seconds() / 60 if just_now else None
        await self.desk.take(
            self.desk.make.changed(self.number, self.revision, joined=made, minute=minute, **changes), now=now()
        )


async def sends(deliveries, receiver, desk, *, held):
    """Send until nothing but what is held waits."""
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    async with asyncio.timeout(60):
        while (rows := [row for row in await desk.notices() if row["state"] in {"pending", "sending"}]) and not (
            len(rows) == held and all(row["held_until"] for row in rows)
        ):
            await asyncio.sleep(0.02)
    await deliveries.stop(task)
    assert len(rows) == held


def told(receiver, address=SLEEPER):
    return [post.data["stage"] for post in receiver.posts if post.data["address"] == address]


async def test_a_night(desk, deliveries, receiver, texts, morning):
    counted = metrics.QUIET.labels("quiet_hours")._value.get()
    incident = Incident(desk)
    await incident.becomes(1000)
    await incident.becomes(1001, at_risk=True)
    await incident.becomes(1002, just_now=True)
    await sends(deliveries, receiver, desk, held=0)
    etr = now() + timedelta(hours=3)
    await incident.becomes(etr=etr)
    await sends(deliveries, receiver, desk, held=1)
    assert told(receiver) == ["received"], "asleep"
    assert told(receiver, "13800001001") == ["received", "etr_set"], "depends on power to live"
    assert told(receiver, "13800001002") == ["received", "etr_set"], "reported just now"
    assert metrics.QUIET.labels("quiet_hours")._value.get() == counted + 1
    assert await pending.held(desk.pool) == 1
    assert await pending.backlog(desk.pool) == []
    [row] = [one for one in await desk.notices() if one["held_until"]]
    assert (row["attempts"], row["doubted_at"]) == (0, None)

    await incident.becomes(etr=etr + timedelta(hours=2))
    await sends(deliveries, receiver, desk, held=1)  # another process
    assert await morning.look() == 0, "it is night"
    await incident.becomes(etr=etr + timedelta(hours=2), state=IncidentState.RESTORED)
    await sends(deliveries, receiver, desk, held=1)
    assert told(receiver) == ["received"]

    texts.night = False
    assert await morning.look() == 1
    assert await morning.look() == 0
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received", "restored"]
    assert told(receiver, "13800001001")[-1] == told(receiver, "13800001002")[-1] == "restored"
    assert set(receiver.counts.values()) == {1}


async def test_control_without_quiet_hours_each_is_told_at_once(desk, deliveries, receiver, texts):
    texts.night = False
    incident = Incident(desk)
    await incident.becomes(1000)
    await incident.becomes(etr=now() + timedelta(hours=3))
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["etr_set"]


@pytest.mark.parametrize(
    ("night", "said"),
    [
        pytest.param([{"state": IncidentState.CANCELLED}], [], id="the matter is closed"),
        pytest.param([{"hours": 3}, {}], [], id="there is no estimate any more"),
        pytest.param([{"hours": 3}, {"hours": 5}, {"hours": 3.1}], ["etr_set"], id="several are one"),
        pytest.param([{"hours": 3}, {"hours": 3.2}], ["etr_set"], id="the newest, though it moved by little"),
        pytest.param([{"state": IncidentState.RESTORED}, {}], [], id="power was back and is not, and nobody was told"),
        pytest.param(
            [{"state": IncidentState.RESTORED}, {}, {"state": IncidentState.RESTORED}], ["restored"], id="back again"
        ),
    ],
)
async def test_in_the_morning_is_said_what_is_true_then(desk, deliveries, receiver, texts, morning, night, said):
    incident, began = Incident(desk), now()
    await incident.becomes(1000)
    await sends(deliveries, receiver, desk, held=0)
    for change in night:
        hours = change.get("hours")
        etr = None if hours is None else began + timedelta(hours=hours)
        await incident.becomes(etr=etr, **{name: value for name, value in change.items() if name != "hours"})
        held = await desk.notices(state="pending")
        await sends(deliveries, receiver, desk, held=len(held))
    texts.night = False
    await morning.look()
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received", *said]
    if said == ["etr_set"]:
        assert receiver.posts[-1].data["etr"] == (began + timedelta(hours=night[-1]["hours"])).isoformat()


async def test_an_estimate_that_was_told_and_came_back_is_no_news_and_the_next_is(
    desk, deliveries, receiver, texts, morning
):
    texts.night = False
    incident, began = Incident(desk), now()
    await incident.becomes(1000)
    await incident.becomes(etr=began + timedelta(hours=3))
    await sends(deliveries, receiver, desk, held=0)
    texts.night = True
    for hours in (5, 3, 5, 3):
        await incident.becomes(etr=began + timedelta(hours=hours))
        await sends(deliveries, receiver, desk, held=1)
    texts.night = False
    await morning.look()
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["etr_set"]
    await incident.becomes(etr=began + timedelta(hours=5))
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["etr_set", "etr_changed"]
    assert set(receiver.counts.values()) == {1}


async def test_an_estimate_that_passed_in_the_night_is_not_told(desk, deliveries, receiver, texts, morning):
    incident = Incident(desk)
    await incident.becomes(1000)
    await incident.becomes(etr=(passes := now() + timedelta(seconds=4)))
    await sends(deliveries, receiver, desk, held=1)
    await asyncio.sleep((passes - now()).total_seconds() + 0.1)
    texts.night = False
    await morning.look()
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received"], "what they reported is known; when it ends is not"


async def test_who_reports_again_at_night_is_told_at_once_and_once(desk, deliveries, receiver, texts, morning):
    incident, etr = Incident(desk), now() + timedelta(hours=3)
    await incident.becomes(1000)
    await sends(deliveries, receiver, desk, held=0)
    await incident.becomes(etr=etr)
    await sends(deliveries, receiver, desk, held=1)
    again = desk.make.member(2000, 1000)
    minute = (now() - NOW).total_seconds() / 60
    await desk.take(desk.make.changed(1, 3, joined=[again], etr=etr, minute=minute), now=now())
    assert await morning.look() == 1
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received", "etr_set"]
    texts.night = False
    assert await morning.look() == 0
    assert set(receiver.counts.values()) == {1}


async def test_who_asks_at_night_is_answered_and_awake(desk, deliveries, receiver):
    incident, etr = Incident(desk), now() + timedelta(hours=3)
    await incident.becomes(1000)
    await sends(deliveries, receiver, desk, held=0)
    await desk.take(heard("asks_status", at=now()), now=now())
    await sends(deliveries, receiver, desk, held=0)
    await incident.becomes(etr=etr)
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received", "asked", "etr_set"]


async def test_who_is_placed_at_night_long_after_they_called_sleeps(desk, deliveries, receiver):
    """An agent said where it is: that the report joins an outage now is no word of the customer's."""
    incident, etr = Incident(desk), now() + timedelta(hours=3)
    await incident.becomes(1001, just_now=True, contacted_at=now() - timedelta(minutes=90), etr=etr)
    await incident.becomes(1000, just_now=True, contacted_at=now() - timedelta(minutes=150), etr=etr)
    await sends(deliveries, receiver, desk, held=1)
    assert told(receiver) == []
    assert told(receiver, "13800001001") == ["joined_known"]


async def test_what_becomes_of_a_report_is_no_word_of_its_customer(desk, deliveries, receiver, texts):
    """Answered in the evening and again at night, and both told at once: they called in the evening."""
    texts.hold = HELD | {Stage.ANSWERED}
    answered = desk.make.member(1000, 1000).model_dump(include=SETTLED)
    then = {"planned_outage": now() - timedelta(hours=3), "already_restored": now()}
    words = [
        ReportSettled(**answered, area="S1", outcome="answered", reason=reason, settled_at=at)
        for reason, at in then.items()
    ]
    await desk.take(*words, now=now())
    await sends(deliveries, receiver, desk, held=1)
    assert told(receiver) == []


async def test_who_stops_at_night_is_told_nothing_in_the_morning(desk, deliveries, receiver, texts, morning):
    incident = Incident(desk)
    await incident.becomes(1000)
    await sends(deliveries, receiver, desk, held=0)
    await incident.becomes(etr=now() + timedelta(hours=3))
    await sends(deliveries, receiver, desk, held=1)
    await desk.take(heard("unlinked", at=now()), now=now())
    texts.night = False
    await morning.look()
    await pending.drop_unlinked(desk.pool)
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received"]


async def test_no_more_at_once_than_is_sent_soon(desk, deliveries, receiver, texts, morning):
    incident = Incident(desk)
    texts.hold = HELD | {Stage.RECEIVED}
    await incident.becomes(*range(1000, 1700))
    await sends(deliveries, receiver, desk, held=700)
    texts.night = False
    assert [await morning.look(), await morning.look()] == [500, 0]
    await sends(deliveries, receiver, desk, held=200)
    assert [await morning.look(), await morning.look()] == [200, 0]
    await sends(deliveries, receiver, desk, held=0)
    assert Counter(receiver.counts.values()) == {1: 700}


async def test_a_look_that_dies_before_its_commit_loses_nothing(
    desk, deliveries, receiver, texts, morning, monkeypatch
):
    incident = Incident(desk)
    await incident.becomes(1000)
    await sends(deliveries, receiver, desk, held=0)
    await incident.becomes(etr=now() + timedelta(hours=3))
    await sends(deliveries, receiver, desk, held=1)
    texts.night = False

    async def dies(*_args, **_named):
        raise ConnectionResetError

    monkeypatch.setattr(Morning, "_say", dies)
    with pytest.raises(UnavailableError):
        await morning.look()
    monkeypatch.undo()
    assert await pending.held(desk.pool) == 1
    await morning.look()
    await sends(deliveries, receiver, desk, held=0)
    assert told(receiver) == ["received", "etr_set"]


async def test_what_was_held_and_not_released_is_among_what_waits(desk, deliveries, receiver, texts):
    """Nobody looks at it in the morning, and nothing said so: it counted neither as held nor as waiting."""
    incident = Incident(desk)
    await incident.becomes(1000)
    await incident.becomes(etr=now() + timedelta(hours=3))
    await sends(deliveries, receiver, desk, held=1)
    assert (await pending.held(desk.pool), await pending.backlog(desk.pool)) == (1, [])
    await desk.pool.execute("UPDATE notice SET held_until = now() - interval '20 minutes' WHERE held_until IS NOT NULL")
    assert await pending.held(desk.pool) == 0
    [waits] = await pending.backlog(desk.pool)
    assert (waits.channel, waits.turn, waits.count) == (Channel.SMS, Turn.OTHERS, 1)
    assert waits.oldest_s < 60, "made a moment ago"
    await desk.pool.execute("UPDATE notice SET made_at = made_at - interval '9 hours'")
    [waits] = await pending.backlog(desk.pool)
    assert 1_200 <= waits.oldest_s < 1_260, "since the end of its night"
