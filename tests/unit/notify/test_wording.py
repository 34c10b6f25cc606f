"""Texts, languages, times, and what a templates file may not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

import deploy
from services.notify.domain.comparison import Calm
from services.notify.domain.notice import Stage, Template
from services.notify.domain.quiet_hours import MAY_WAIT
from services.notify.wording import PLACEHOLDERS, read_wording
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError

SHIPPED = Path(deploy.__file__).parent / "templates.yaml"
MOMENT = datetime(2026, 1, 5, 20, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def source():
    return SHIPPED.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wording(source):
    return read_wording("templates", source)


def changed(source, change):
    """The shipped file with one thing changed in its data."""
    data = yaml.safe_load(source)
    change(data)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize("template", list(Template))
@pytest.mark.parametrize("language", ["zh-Hans-CN", "en"])
def test_every_text_that_ships_can_be_rendered(wording, template, language):
    shown = wording.render(template, language, ref="7K3M-9QPX-2HD", etr=MOMENT, restored_at=MOMENT, closed_at=MOMENT)

    assert shown.language == language
    assert "7K3M-9QPX-2HD" in shown.text
    assert "{" not in shown.text


ONE_PART = {"zh-Hans-CN": 70, "en": 160}
"""Characters of a text message, in UCS-2 and in the alphabet of GSM 03.38; of one in two parts a part has fewer."""
TWO_PARTS = {"zh-Hans-CN": 2 * 67, "en": 2 * 153}
LATEST = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)
"""The minute before a year ends, by the hotline's clock: written with the most digits."""


@pytest.mark.parametrize("template", list(Template))
@pytest.mark.parametrize("language", list(ONE_PART))
def test_a_text_is_one_message_or_two_where_it_must_warn_of_danger(wording, template, language):
    """Gateways send so many parts a second: in a storm one more keeps others waiting."""
    text = wording.render(
        template, language, ref="7K3M-9QPX-2HR", etr=LATEST, restored_at=LATEST, closed_at=LATEST
    ).text
    warns = "着火" in text or "fire" in text
    assert len(text) <= (TWO_PARTS if warns else ONE_PART)[language]
    assert language != "en" or text.isascii(), "one other letter makes all of it UCS-2"


@pytest.mark.parametrize("template", [one for one, names in PLACEHOLDERS.items() if names > {"ref"}])
@pytest.mark.parametrize("language", list(ONE_PART))
def test_a_time_around_midnight_is_told_with_the_day_that_it_is_there(wording, template, language):
    """Who reads it in the morning knows which night it was: no text says today or tomorrow."""
    moments = [LATEST, LATEST + timedelta(minutes=1)]
    days = {"zh-Hans-CN": ["12月31日23:59", "1月1日00:00"], "en": ["2026-12-31 23:59", "2027-01-01 00:00"]}[language]
    for moment, day in zip(moments, days, strict=True):
        assert day in wording.render(template, language, ref="R", etr=moment, restored_at=moment, closed_at=moment).text


@pytest.mark.parametrize("template", list(Template))
@pytest.mark.parametrize("language", list(ONE_PART))
def test_no_text_says_a_day_that_is_another_by_the_time_it_is_read(wording, template, language):
    text = wording.render(template, language, ref="R", etr=LATEST, restored_at=LATEST, closed_at=LATEST).text.lower()
    assert not [
        one for one in ("今天", "今日", "今晚", "明天", "today", "tonight", "tomorrow", "minutes") if one in text
    ]


def test_times_are_those_of_the_hotline(wording):
    assert "1月6日04:03" in wording.render(Template.ETR_SET, "zh-Hans-CN", ref="X", etr=MOMENT).text
    assert "2026-01-06 04:03" in wording.render(Template.RESTORED, "en", ref="X", restored_at=MOMENT).text
    assert wording.calm == Calm(timedelta(minutes=20), timedelta(minutes=60), timedelta(minutes=15))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("zh-Hans-CN", "zh-Hans-CN"),
        ("ZH-hans-cn", "zh-Hans-CN"),
        ("en-GB", "en"),
        ("en", "en"),
        ("bo-CN", "zh-Hans-CN"),
        ("zh-Hant-TW", "zh-Hans-CN"),
        ("e", "zh-Hans-CN"),
    ],
)
def test_a_language_falls_back_to_its_shorter_forms_and_then_to_the_national_one(wording, asked, given):
    assert wording.language_for(asked) == given


def test_a_language_may_be_added_by_its_short_form(source):
    more = read_wording("templates", changed(source, lambda data: data["languages"].update(bo=data["languages"]["en"])))

    assert more.language_for("bo-CN") == "bo"
    assert more.digest != read_wording("templates", source).digest


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["languages"]["en"]["texts"].pop("restored"), "texts of en has no 'restored'"),
        (lambda d: d["languages"]["en"]["texts"].update(sent="x"), "unknown key 'sent' in texts of en"),
        (lambda d: d["languages"]["en"]["texts"].update(received="{name}"), "unknown placeholder {name}"),
        (lambda d: d["languages"]["en"]["texts"].update(received="{ref.__class__}"), "unknown placeholder"),
        (lambda d: d["languages"]["en"]["texts"].update(received="{}"), "unknown placeholder {}"),
        (lambda d: d["languages"]["en"]["texts"].update(received="{ref:{x}}"), "cannot be filled in"),
        (lambda d: d["languages"]["en"]["texts"].update(received="{ref"), "expected '}'"),
        (lambda d: d["languages"]["en"]["texts"].update(received=" "), "en: received must be a text, and is empty"),
        (lambda d: d["languages"]["en"]["texts"].update(received="x" * 501), "would be 501"),
        (lambda d: d["languages"]["en"]["texts"].update(received=["x"]), "must be a text"),
        (lambda d: d["languages"]["en"]["texts"].update(etr_set="soon, {ref}"), "must say {etr}"),
        (lambda d: d["languages"]["en"].update(time="{hour:02}:{second}"), "unknown placeholder {second}"),
        (lambda d: d["languages"].pop("zh-Hans-CN"), "zh-Hans-CN is missing"),
        (lambda d: d["languages"].update(english=d["languages"]["en"], EN=d["languages"]["en"]), "EN is given twice"),
        (lambda d: d["languages"].update({"e_n": d["languages"]["en"]}), "is not a language tag"),
        (lambda d: d.update(time_zone="Asia/Nowhere"), "time_zone: 'Asia/Nowhere'"),
        (lambda d: d.update(etr_moved_by_minutes=-5), "etr_moved_by_minutes must be a number from 0 to 1440, not '-5'"),
        (lambda d: d.update(version=2), "version must be 1"),
        (lambda d: d.pop("languages"), "the file has no 'languages'"),
        (lambda d: d.update(languages="en"), "languages must be a mapping"),
    ],
)
def test_a_fault_is_named_and_nothing_of_the_file_is_used(source, change, fault):
    with pytest.raises(RulesError) as refused:
        read_wording("texts.yaml", changed(source, change))

    assert fault in str(refused.value)
    assert all(line.startswith("texts.yaml:") for line in str(refused.value).splitlines())


def test_every_fault_is_named_at_once_with_its_line(source):
    lines = source.splitlines()
    first = next(n for n, line in enumerate(lines, 1) if "etr_set:" in line)
    lines[first - 1] = '      etr_set: "at {time}"'
    last = next(n for n, line in enumerate(lines, 1) if n > first and "received:" in line)
    lines.insert(last, lines[last - 1])

    with pytest.raises(RulesError) as refused:
        read_wording("texts.yaml", "\n".join(lines))

    assert str(refused.value).splitlines() == [
        f"texts.yaml:{first}: zh-Hans-CN: etr_set: unknown placeholder {{time}}; it may use {{etr}}, {{ref}}",
        f"texts.yaml:{last + 1}: 'received' stands twice in texts of en, first on line {last}",
    ]


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "\tx: 1", "just words"])
def test_what_is_not_such_a_file_at_all_is_refused(text):
    with pytest.raises(RulesError, match=r"templates:1: "):
        read_wording("templates", text)


def test_a_changed_file_comes_into_force_once_it_stands_still_and_a_broken_one_does_not(tmp_path, source):
    path = tmp_path / "templates.yaml"
    path.write_text(source, encoding="utf-8")
    templates = watched_file(path, read_wording)
    before = templates()

    def changed_to(content: bytes | None) -> None:
        path.unlink() if content is None else path.write_bytes(content)
        templates.look()
        assert templates() is before, "it may still be being written"
        templates.look()

    broken = source.replace("etr_moved_by_minutes: 20", "etr_moved_by_minutes: many").encode()
    for content in (broken, None, b"\xff"):
        changed_to(content)
        assert templates() is before

    changed_to(source.replace("etr_moved_by_minutes: 20", "etr_moved_by_minutes: 30").encode())
    assert templates().calm.usual == timedelta(minutes=30)


def test_a_service_does_not_start_without_its_texts(tmp_path):
    with pytest.raises(RulesError, match="cannot be read"):
        watched_file(tmp_path / "nowhere.yaml", read_wording)


def test_what_is_said_in_a_storm_is_what_is_always_said_where_the_file_does_not_say_it(source):
    data = yaml.safe_load(source)
    del data["etr_moved_by_minutes_in_storm"], data["etr_passed_minutes"]
    for language in data["languages"].values():
        del language["texts"]["received_storm"]
    older = read_wording("templates", yaml.safe_dump(data, allow_unicode=True))
    assert older.calm == Calm(timedelta(minutes=20), timedelta(minutes=20))
    for tag in older.languages:
        said = {older.render(one, tag, ref="R").text for one in (Template.RECEIVED, Template.RECEIVED_STORM)}
        assert len(said) == 1


def test_until_when_it_is_planned_is_said_and_the_general_answer_where_the_file_does_not_say_it(source, wording):
    end = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    data = yaml.safe_load(source)
    for language in data["languages"].values():
        del language["texts"]["answered_planned"], language["texts"]["closed"]
    older = read_wording("templates", yaml.safe_dump(data, allow_unicode=True))
    for tag in wording.languages:
        assert "20:30" in wording.render(Template.ANSWERED_PLANNED, tag, ref="R", etr=end).text  # UTC+8
        alike = Template.ANSWERED, Template.ANSWERED_PLANNED, Template.CLOSED
        said = {older.render(one, tag, ref="R", etr=end, closed_at=end).text for one in alike}
        assert len(said) == 1


def test_in_a_storm_people_are_told_that_it_takes_longer(wording):
    for tag in wording.languages:
        usual, stormy = (wording.render(one, tag, ref="R").text for one in (Template.RECEIVED, Template.RECEIVED_STORM))
        assert usual != stormy
        assert "95598" in stormy


def test_estimates_are_not_told_more_often_in_a_storm_than_outside_of_one(source):
    with pytest.raises(RulesError, match="in_storm must not be less than etr_moved_by_minutes"):
        read_wording(
            "templates", source.replace("etr_moved_by_minutes_in_storm: 60", "etr_moved_by_minutes_in_storm: 5")
        )


QUIET = {"from": "22:00", "to": "07:00", "hold": ["etr_set", "etr_changed"], "awake_minutes": 120}


def test_quiet_hours_are_by_the_zone_of_the_file(source):
    assert read_wording("templates", source).quiet is None, "off as it ships"
    data = changed(source, lambda data: data.update(quiet_hours=QUIET, time_zone="America/New_York"))
    quiet = read_wording("templates", data).quiet
    assert quiet is not None
    assert quiet.until(datetime(2026, 7, 2, 2, 0, tzinfo=UTC)) == datetime(2026, 7, 2, 11, 0, tzinfo=UTC)
    assert (quiet.hold, quiet.awake) == ({Stage.ETR_SET, Stage.ETR_CHANGED}, timedelta(hours=2))


def test_the_quiet_hours_that_the_file_shows_are_good_once_they_are_not_a_comment(source):
    begin = source.index("# quiet_hours:")
    shown = source[begin : source.index("\n\n", begin)]
    made = read_wording("templates", source.replace(shown, "\n".join(line[2:] for line in shown.splitlines())))
    assert made.quiet is not None
    assert made.quiet.hold == MAY_WAIT


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"from": "22"}, "quiet_hours: from must be a time of day such as \"22:00\", not '22'"),
        ({"to": "24:00"}, "quiet_hours: to must be a time of day"),
        ({"from": 1320}, "quiet_hours: from must be a time of day"),
        ({"to": "22:00"}, "from and to must differ; leave quiet_hours out to have none"),
        ({"hold": ["asked"]}, "'asked' is no kind of notice that may wait"),
        ({"hold": ["restored"]}, "where restored waits, joined_known must wait"),
        ({"hold": "etr_set"}, "quiet_hours: hold must be a list"),
        ({"awake_minutes": -1}, "quiet_hours: awake_minutes must be a number from 0 to 1440"),
        ({"until": "07:00"}, "unknown key 'until' in quiet_hours"),
    ],
)
def test_quiet_hours_that_cannot_be_are_refused_with_their_line(source, wrong, says):
    data = changed(source, lambda data: data.update(quiet_hours=QUIET | wrong))
    with pytest.raises(RulesError, match=r"line \d+|:\d+") as refused:
        read_wording("templates", data)
    assert says in str(refused.value)


@pytest.mark.parametrize("missing", list(QUIET))
def test_nothing_of_quiet_hours_is_guessed(source, missing):
    data = changed(source, lambda data: data.update(quiet_hours={k: v for k, v in QUIET.items() if k != missing}))
    with pytest.raises(RulesError, match=f"quiet_hours has no '{missing}'"):
        read_wording("templates", data)
