"""What a caller hears: the words for what is known, in their language, and never a wait for a notify that hangs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from prometheus_client import REGISTRY

import deploy
from services.intake import announcing
from services.intake.announcing import Announcer, Outages
from services.intake.channels import phone
from services.intake.channels.source import PhoneSource
from services.intake.channels.spoken import Outage, OutageAnswer, Progress, Spoken
from services.intake.yaml_file import read_yaml
from services.runtime.settings import SettingsError
from tests.unit.intake.notify_stand_in import NotifyStandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHIPPED = Path(deploy.__file__).parent / "ivr.yaml"
SPOKEN = read_yaml(SHIPPED, Spoken)
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(hours=2), NOW - timedelta(hours=1)
SOURCE = PhoneSource.model_validate({"name": "ivr", "api_keys_sha256": ["0" * 64]})


def call(**fields: Any) -> Any:
    event = {"external_call_id": "c", "event": "started", "occurred_at": "2026-11-22T08:30:00Z", **fields}
    return phone.accept(SOURCE, orjson.dumps(event), None, NOW).contact


@pytest.mark.parametrize("tag", list(SPOKEN.languages))
def test_every_shipped_language_has_words_for_everything(tag: str) -> None:
    said = set()
    for outage in Outage:
        for progress in (None, *Progress, "unheard_of"):
            for etr, restored in ((None, None), (SOON, BEFORE)):
                answer = OutageAnswer(outage=outage, progress=progress, etr=etr, restored_at=restored)
                more = SPOKEN.say(answer, tag, NOW)
                assert more["outage"] == outage
                assert "{" not in more["say"]
                said.add(more["say"])
    assert len(said) == 14  # not known, restored, and known with and without an estimate for each progress


def test_the_estimate_is_said_in_the_zone_of_the_file_and_one_that_has_passed_is_not() -> None:
    known = OutageAnswer(outage=Outage.KNOWN, progress="en_route", etr=SOON)
    more = SPOKEN.say(known, "zh-Hans", NOW)
    assert "11月22日11点00分" in more["say"]
    assert "正在赶往现场" in more["say"]
    assert more["etr"] == "2026-11-22T03:00:00+00:00"
    assert more["say_language"] == "zh-CN"
    late = SPOKEN.say(known, "en-GB", SOON + timedelta(minutes=1))
    assert "etr" not in late
    assert "on its way" in late["say"]


def test_what_notify_says_beside_what_is_known_is_not_said() -> None:
    """It may know when power was back of an outage before; and an outage that is over has no estimate any more."""
    nothing = SPOKEN.say(OutageAnswer(restored_at=NOW), "en", NOW)
    assert nothing == SPOKEN.say(OutageAnswer(), "en", NOW)
    over = OutageAnswer(outage=Outage.RESTORED, restored_at=NOW)
    assert SPOKEN.say(over.model_copy(update={"etr": SOON}), "en", NOW) == SPOKEN.say(over, "en", NOW)


def test_planned_work_is_said_as_such_with_its_end() -> None:
    work = OutageAnswer(outage=Outage.KNOWN, planned=True, etr=SOON)
    more = SPOKEN.say(work, "en", NOW)
    assert "planned work" in more["say"]
    assert "11:00 on 2026-11-22" in more["say"]
    assert (more["outage"], more["planned"], more["etr"]) == ("known", "true", "2026-11-22T03:00:00+00:00")
    assert "计划" in SPOKEN.say(work, None, NOW)["say"]
    assert "planned" not in SPOKEN.say(OutageAnswer(outage=Outage.KNOWN, etr=SOON), "en", NOW)


def test_a_file_of_before_has_no_words_for_planned_work_and_says_when_power_is_back(tmp_path: Path) -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines(keepends=True)
    file = tmp_path / "ivr.yaml"
    file.write_text("".join(line for line in lines if not line.startswith("      planned:")), encoding="utf-8")
    more = read_yaml(file, Spoken).say(OutageAnswer(outage=Outage.KNOWN, planned=True, etr=SOON), "en", NOW)
    assert "Power is expected back at 11:00 on 2026-11-22" in more["say"]
    assert more["planned"] == "true"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{etr}", "soon", ":[0-9]+: .*must say {etr}"),
        ('not_known: "', 'not_known: "{phone}', "cannot be filled in"),
        ("zh-Hans-CN:", "zh-Hant:", "languages lacks zh-Hans-CN"),
        ("Asia/Shanghai", "Asia/Nowhere", "IANA"),
        ("      arrived:", "      arived:", "arived"),
        ("version: 1", "version: 2", ":[0-9]+: version"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line(tmp_path: Path, before: str, after: str, expected: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert before in text
    head, _, tail = text.partition(before) if before != "{etr}" else text.rpartition("{etr}")
    file = tmp_path / "ivr.yaml"
    file.write_text(head + after + tail, encoding="utf-8")
    with pytest.raises(SettingsError, match=expected):
        read_yaml(file, Spoken)


@pytest.fixture
async def notify() -> AsyncIterator[NotifyStandIn]:
    async with NotifyStandIn() as made:
        yield made


async def test_a_caller_is_told_what_notify_knows_of_their_number_or_account(notify: NotifyStandIn) -> None:
    outages = Outages(notify.url, deadline_s=30)
    announcer = Announcer(outages, lambda: SPOKEN)
    started = announcer.begin(call(ani="13800138000", language="en"))
    assert started is not None
    said = await started
    assert said["outage"] == "known"
    assert "arrived" in said["say"]
    keyed = announcer.begin(call(event="dtmf", account_no="42", ani="13800138000"))
    assert keyed is not None
    await keyed
    assert notify.places == [[{"phone": "13800138000"}], [{"account_id": "42", "phone": "13800138000"}]]
    await outages.close()


async def test_nobody_is_asked_of_a_withheld_number_nor_of_an_event_that_awaits_no_words(
    notify: NotifyStandIn,
) -> None:
    outages = Outages(notify.url, deadline_s=30)
    announcer = Announcer(outages, lambda: SPOKEN)
    withheld = announcer.begin(call(ani="anonymous"))
    assert withheld is not None
    assert (await withheld)["outage"] == "not_known"
    assert announcer.begin(call(event="ended", ani="13800138000")) is None
    assert announcer.begin(call(event="dtmf", menu_path=["1"], ani="13800138000")) is None
    assert notify.places == []
    await outages.close()


async def test_questions_that_come_while_notify_answers_go_together(notify: NotifyStandIn) -> None:
    outages = Outages(notify.url, deadline_s=30)
    notify.held.clear()
    first = asyncio.create_task(outages.at({"phone": "0"}))
    while not notify.places:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(outages.at({"phone": str(number)})) for number in range(1, 151)]
    await asyncio.sleep(0)
    notify.held.set()
    assert all(answer is not None for answer in await asyncio.gather(first, *others))
    assert [len(questions) for questions in notify.places] == [1, 100, 50]
    await outages.close()


async def test_a_notify_that_hangs_is_given_up_and_left_alone_a_while(notify: NotifyStandIn) -> None:
    notify.held.clear()
    outages = Outages(notify.url, deadline_s=0.05)
    for _ in range(3):
        assert await outages.at({"phone": "1"}) is None
        while outages._asking is not None and not outages._asking.done():
            await asyncio.sleep(0.001)
    last = outages._asking
    assert await outages.at({"phone": "2"}) is None
    assert outages._asking is last  # nobody was asked


async def test_one_answer_that_comes_too_late_silences_nobody_else(notify: NotifyStandIn) -> None:
    outages = Outages(notify.url, deadline_s=30)
    for _ in range(4):
        notify.status = 500
        assert await outages.at({"phone": "1"}) is None
        notify.status = 200
        assert await outages.at({"phone": "1"}) is not None
    await outages.close()


async def one_asked_for_and_two_waiting(
    notify: NotifyStandIn, outages: Outages
) -> list[asyncio.Task[OutageAnswer | None]]:
    """Three callers: notify is being asked for the first, and the others wait until it has answered."""
    first = asyncio.create_task(outages.at({"phone": "1"}))
    while not notify.places:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(outages.at({"phone": number})) for number in "23"]
    await asyncio.sleep(0)
    return [first, *others]


async def test_nothing_is_asked_for_those_who_hung_up(notify: NotifyStandIn) -> None:
    """Nor an empty list: notify refuses it, and three refusals silence it for everybody."""
    notify.held.clear()
    outages = Outages(notify.url, deadline_s=30)
    first, *gone = await one_asked_for_and_two_waiting(notify, outages)
    for one in gone:
        one.cancel()
    await asyncio.wait(gone)
    notify.held.set()
    assert await first is not None
    assert await outages.at({"phone": "4"}) is not None
    assert notify.places == [[{"phone": "1"}], [{"phone": "4"}]]
    await outages.close()


async def test_notify_may_fail_twice_and_is_asked_still(notify: NotifyStandIn) -> None:
    outages = Outages(notify.url, deadline_s=30)
    for status in (500, 500, 200) * 2:
        notify.status = status
        assert (await outages.at({"phone": "1"}) is None) == (status == 500)
    await outages.close()


async def test_in_a_storm_of_callers_the_last_hear_at_once_that_nothing_is_known(
    notify: NotifyStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "_MOST_WAITING", 2)
    notify.held.clear()
    outages = Outages(notify.url, deadline_s=30)
    first, *others = await one_asked_for_and_two_waiting(notify, outages)
    assert await outages.at({"phone": "4"}) is None
    notify.held.set()
    assert None not in await asyncio.gather(first, *others)
    await outages.close()


@pytest.mark.parametrize(("status", "outcome"), [(200, "known"), (500, "unanswered")])
async def test_operators_see_what_callers_were_told(notify: NotifyStandIn, status: int, outcome: str) -> None:
    def counted() -> tuple[float | None, float | None]:
        told = REGISTRY.get_sample_value("gridline_intake_announcements_total", {"outcome": outcome}) or 0
        return told, REGISTRY.get_sample_value("gridline_intake_announce_seconds_count")

    notify.status = status
    outages = Outages(notify.url, deadline_s=30)
    told, timed = counted()
    said = Announcer(outages, lambda: SPOKEN).begin(call(ani="13800138000"))
    assert said is not None
    await said
    assert counted() == ((told or 0) + 1, (timed or 0) + 1)
    await outages.close()


@pytest.mark.parametrize(("status", "answer"), [(500, {}), (200, None), (200, {"outage": "perhaps"})])
async def test_an_answer_that_cannot_be_used_is_none(
    notify: NotifyStandIn, status: int, answer: dict[str, Any] | None
) -> None:
    notify.status, notify.place = status, answer
    outages = Outages(notify.url, deadline_s=30)
    assert await outages.at({"phone": "1"}) is None
    await outages.close()


async def test_without_a_notify_callers_are_asked_to_report() -> None:
    outages = Outages("http://127.0.0.1:1", deadline_s=30)
    started = Announcer(outages, lambda: SPOKEN).begin(call(ani="13800138000", language="en"))
    assert started is not None
    assert (await started)["say"] == SPOKEN.languages["en"].texts.not_known
    await outages.close()
