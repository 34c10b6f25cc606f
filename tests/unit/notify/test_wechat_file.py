"""The official accounts' file: the page's own example is good, and every fault is named with its line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.notify.domain.notice import Template
from services.notify.wechat_file import read_wechat_accounts
from services.runtime.yaml_reading import RulesError

PAGE = Path(__file__).parents[3] / "docs" / "telling-customers.md"
[EXAMPLE] = [
    block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if "app_secret" in block
]
ETR = datetime(2026, 11, 26, 20, 5, tzinfo=UTC)


def load(text: str):
    return read_wechat_accounts("wechat.yaml", text)


def test_the_example_of_the_page_has_a_template_for_every_text():
    file = load(EXAMPLE)

    [account] = file.accounts.values()
    assert account.templates.keys() == set(Template)
    assert account.templates[Template.ANSWERED_ARREARS] is account.templates[Template.ANSWERED]
    assert account.app_secret not in repr(file)


def test_times_are_shown_as_the_platform_asks_in_the_files_zone():
    file = load(EXAMPLE)

    assert file.fill("{etr}", ref="R", text="", times={"etr": ETR, "restored_at": None}) == "2026年11月27日 04:05"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("appid: wx0123456789abcdef", "appid: gh_1", "appid must be wx and 16 hexadecimal digits"),
        ("app_secret: 0123456789abcdef", "app_secret: 0x", "app_secret must be 32 hexadecimal digits"),
        ("      restored:", "      restorde:", "did you mean 'restored'?"),
        ("      restored:", "      restorde:", "has no 'restored'"),
        ("phrase2: 抢修中", "phrase2: 正在抢修之中", "etr_set.phrase2 may be 5 characters long, and would be 6"),
        ("phrase2: 抢修中", "thing2: '{text}'", "etr_set.thing2 may be 20 characters long, and would be 500"),
        ("phrase2: 已受理", "time3: '{etr}'", "received.time3: unknown placeholder {etr}; it may use {ref}, {text}"),
        ("phrase2: 抢修中", "phrase2: '{ref.x}'", "unknown placeholder {ref.x}; it may use {etr}, {ref}, {text}"),
        ("phrase2: 抢修中", "phrase2: '{'", "braces"),
        ("url: https://", "url: http://", "must begin with https://"),
        ("time_zone: Asia/Shanghai", "time_zone: Mars", "give an IANA name"),
        ("version: 1", "version: 2", "version must be 1"),
    ],
)
def test_a_fault_is_named_with_its_line_and_no_secret_is_repeated(old, new, fault):
    assert old in EXAMPLE
    with pytest.raises(RulesError) as refused:
        load(EXAMPLE.replace(old, new, 1))

    line = EXAMPLE[: EXAMPLE.index(old)].count("\n") + 1
    assert any(fault in one.reason and abs(one.line - line) <= 20 for one in refused.value.faults), refused.value
    assert "0123456789abcdef" not in str(refused.value)
