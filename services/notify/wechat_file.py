"""The official accounts' file: each account's app id and secret, and the template of each text.

Decided here: what the file may say, every error with its line. Values of template fields are checked against the
field's kind beforehand, because the platform rejects a whole message for one value that is too long. Never here:
sending.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from services.notify.domain.notice import Template
from services.notify.wording import PLACEHOLDERS, USUALLY, checked_pattern
from services.runtime.yaml_reading import Reader, line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yaml.nodes import Node

_TOP: Final = ("version", "time_zone", "accounts")
_ACCOUNT: Final = ("appid", "app_secret", "templates")
_FIELDS: Final = ("id", "data", "url")
_APPID: Final = re.compile(r"wx[0-9a-f]{16}")
_SECRET: Final = re.compile(r"[0-9a-f]{32}")
_KEY: Final = re.compile(r"([A-Za-z_]{1,32}?)[0-9]{0,3}")
# Source: the platform's table of field kinds and their values (订阅消息参数值内容限制说明).
# A kind that is not here (the older keyword1, first, remark) has no bound there.
_LONGEST: Final = {
    "thing": 20,
    "number": 32,
    "letter": 32,
    "symbol": 5,
    "character_string": 32,
    "phrase": 5,
    "name": 10,
}
_USUALLY: Final = {
    **USUALLY,
    Template.JOINED_KNOWN_ETR: Template.JOINED_KNOWN,
    Template.ANSWERED_ARREARS: Template.ANSWERED,
    Template.ANSWERED_ALREADY_RESTORED: Template.ANSWERED,
}
"""What carries a text that has no template of its own."""
_SAMPLE: Final = {"ref": "0000-0000-000", "text": "x" * 500}
_SAMPLE_TIME: Final = datetime(2026, 12, 30, 20, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A template of the account: its id on the platform, and what stands in each of its fields."""

    template_id: str
    data: Mapping[str, str]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class WechatAccount:
    """An official account that customers are told from."""

    appid: str
    app_secret: str = field(repr=False)
    templates: Mapping[Template, MessageTemplate]


@dataclass(frozen=True, slots=True)
class WechatAccounts:
    """The file: accounts by their original id, as they stand in messages (``gh_…``)."""

    zone: ZoneInfo
    accounts: Mapping[str, WechatAccount]

    def fill(self, pattern: str, *, ref: str, text: str, times: Mapping[str, datetime | None]) -> str:
        """Return what stands in a field. Times are shown as the platform's kind ``time`` asks, in the file's zone."""
        values = {"ref": ref, "text": text}
        for name, moment in times.items():
            if moment is not None:
                local = moment.astimezone(self.zone)
                values[name] = f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"
        return pattern.format_map(values)


def read_wechat_accounts(file: str, text: str) -> WechatAccounts:
    """Read and check the file.

    Raises:
        RulesError: it has faults; every fault with its line.
    """
    reader = Reader(file, text)
    top = reader.top(_TOP, _TOP)
    rest = _File(reader, reader.zone(top["time_zone"]) if "time_zone" in top else ZoneInfo("UTC"))
    entries = list(reader.entries(top["accounts"], "accounts")) if "accounts" in top else []
    found = WechatAccounts(rest.zone, {entry.key: rest.account(entry.key, entry.value) for entry in entries})
    reader.finish()
    return found


class _File:
    def __init__(self, reader: Reader, zone: ZoneInfo) -> None:
        self._reader = reader
        self.zone = zone

    def account(self, name: str, node: Node) -> WechatAccount:
        fields = self._reader.fields(node, f"account {name!r}", _ACCOUNT, _ACCOUNT)
        return WechatAccount(
            self._shaped(fields, "appid", _APPID, "wx and 16 hexadecimal digits"),
            self._shaped(fields, "app_secret", _SECRET, "32 hexadecimal digits"),
            self._templates(name, fields["templates"]) if "templates" in fields else {},
        )

    def _templates(self, account: str, node: Node) -> dict[Template, MessageTemplate]:
        names = tuple(template.value for template in Template)
        needed = tuple(name for name in names if name not in _USUALLY)
        entries = self._reader.fields(node, f"templates of {account!r}", names, needed)
        found = {Template(name): self._template(Template(name), entry) for name, entry in entries.items()}
        return found | {one: found[usual] for one, usual in _USUALLY.items() if one not in found and usual in found}

    def _template(self, template: Template, node: Node) -> MessageTemplate:
        fields = self._reader.fields(node, f"template {template}", _FIELDS, ("id", "data"))
        allowed = PLACEHOLDERS[template] | {"text"}
        data = {
            entry.key: self._pattern(f"{template}.{entry.key}", entry.value, allowed, _longest(entry.key))
            for entry in (self._reader.entries(fields["data"], f"data of {template}") if "data" in fields else ())
        }
        url = self._pattern(f"{template}.url", fields["url"], frozenset({"ref"}), None) if "url" in fields else None
        if url is not None and not url.startswith("https://"):
            self._reader.fault(line_of(fields["url"]), f"url of {template} must begin with https://")
        return MessageTemplate((self._reader.text(fields["id"], "id") if "id" in fields else None) or "", data, url)

    def _pattern(self, what: str, node: Node, allowed: frozenset[str], longest: int | None) -> str:
        def show(pattern: str) -> str:
            accounts = WechatAccounts(self.zone, {})
            return accounts.fill(pattern, **_SAMPLE, times=dict.fromkeys(allowed - {"ref", "text"}, _SAMPLE_TIME))

        return checked_pattern(self._reader, node, what, allowed, show, longest)

    def _shaped(self, fields: Mapping[str, Node], name: str, shape: re.Pattern[str], shown: str) -> str:
        text = self._reader.text(fields[name], name) if name in fields else None
        if text is not None and shape.fullmatch(text) is None:  # and never the value: it may be the secret
            self._reader.fault(line_of(fields[name]), f"{name} must be {shown}")
        return text or ""


def _longest(key: str) -> int | None:
    kind = _KEY.fullmatch(key)
    return None if kind is None else _LONGEST.get(kind[1])
