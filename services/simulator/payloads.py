"""What each channel's sender really posts for a case: call events, web and app JSON, signed WeChat XML.

Decided here: the events of a case, their order and their bytes. Pure: the start instant is an argument, and equal
input gives equal bytes, so that a repeated event is the same event. Never here: sending.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from services.contracts.ids import contact_id, ticket_id
from services.contracts.values import Channel, Crs
from services.grid.datum import from_wgs84
from services.intake.channels import wechat
from services.intake.channels.contact import NotAContact
from services.intake.channels.conversation import Talk
from services.intake.channels.source import WeChatSource
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.simulator.generate import Storm, dice
from services.simulator.words import BUSINESS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.simulator.cases import Case

_MENU: Final = {
    "fault_report": "1",
    "enquiry": "2",
    "consultation": "3",
    "complaint": "4",
    "service_request": "5",
    "opinion": "6",
    "suggestion": "7",
    "praise": "8",
    "whistleblow": "9",
}
"""Keys of the development IVR's first menu (deploy/sources.yaml)."""
_DANGER_KEY: Final = "9"  # second menu: danger to people
_PRESSES_DANGER: Final = 0.5  # of callers who see danger; the others say it
_GIVES_UP: Final = 0.06  # of callers: hang up after the menu, before anyone spoke to them
_CHOOSES: Final = 0.7  # of web and app users: pick the business type the form offers
_TO_MENU, _TO_WORDS, _TO_END = 12.0, 45.0, 75.0  # seconds into a call
_THEN_LOCATION: Final = 6.0  # seconds from a chat message to the location that follows it


@dataclass(frozen=True, slots=True)
class Senders:
    """Who the events come from, and their credentials.

    Attributes:
        keys: API key of the source of each JSON channel.
        sources: Its name; part of every id.
        account: WeChat official account, the ``ToUserName``.
        token: What the account signs with.
    """

    sources: Mapping[Channel, str]
    keys: Mapping[Channel, str]
    account: str
    token: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a sender will post. ``at`` is seconds; ``step`` names the event within its case."""

    case: int
    step: str
    at: float
    resend: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, ready to send, and the ids its contact will have by contract.

    Attributes:
        at: Seconds after the start at which it is due.
        path: Door of the intake, with its query.
        resend: The same event as an earlier request, byte for byte.
    """

    at: float
    case: int
    channel: Channel
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    contact_id: UUID
    ticket_id: UUID
    resend: bool


def events_of(storm: Storm) -> list[Event]:
    """Return every event of the storm in storm time, those that a sender sends twice included, by time."""
    rng = dice(storm.seed, "events")
    found: list[Event] = []
    for case in storm.cases:
        for step, after in _steps(case, gives_up=rng.random() < _GIVES_UP):
            event = Event(case.number, step, case.at + after)
            found.append(event)
            if rng.random() < storm.shape.resends:
                found.append(Event(case.number, step, event.at + rng.uniform(1.0, 60.0), resend=True))
    found.sort(key=lambda event: (event.at, event.case, event.step))
    return found


def _steps(case: Case, *, gives_up: bool) -> Iterator[tuple[str, float]]:
    if case.channel is Channel.PHONE:
        yield "started", 0.0
        yield "dtmf", _TO_MENU
        if gives_up and case.kind is Kind.OUTAGE:
            yield "abandoned", _TO_WORDS
            return
        yield "transcript", _TO_WORDS
        yield "ended", _TO_END
    elif case.channel is Channel.WECHAT:
        yield "text", 0.0
        if case.said.lat is not None:
            yield "location", _THEN_LOCATION
    else:
        yield "report", 0.0


def at_steady_rate(requests: Sequence[Request], seconds: float) -> list[Request]:
    """Send the requests evenly over ``seconds``, in their order: a storm of hours in a demonstration's time.

    What they say of when things happened stays in storm time. Merging looks at that and not at arrival; squeezed
    together, two hours' faults would look like one.
    """
    step = seconds / max(1, len(requests))
    return [replace(request, at=place * step) for place, request in enumerate(requests)]


def at_pace(requests: Sequence[Request], rate: float) -> list[Request]:
    """Send the requests as they come in life, ``rate`` times as fast: for a system whose clock goes at that pace."""
    return [replace(request, at=request.at / rate) for request in requests]


def begun_before(now: datetime, events: Sequence[Event]) -> datetime:
    """Return the instant of second 0 of a storm whose last event has just happened."""
    return now - timedelta(seconds=max((event.at for event in events), default=0.0))


def render(storm: Storm, events: Sequence[Event], start: datetime, senders: Senders) -> list[Request]:
    """Turn events into requests; ``start`` is the instant of second 0, with an offset.

    The ids of a storm carry its seed and start, so that the same storm sent later is not taken for a repetition.
    """
    writer = _Writer(storm, start, senders)
    first: dict[tuple[int, str], Request] = {}
    requests = []
    for event in events:
        key = (event.case, event.step)
        request = first.get(key)
        if request is None:
            request = first[key] = writer.request(event)
        else:
            request = replace(request, at=event.at, resend=True)
        requests.append(request)
    return requests


class _Writer:
    """Writes the requests of one storm."""

    def __init__(self, storm: Storm, start: datetime, senders: Senders) -> None:
        self._storm = storm
        self._cases = {case.number: case for case in storm.cases}
        self._start = start
        self._senders = senders
        self._account = WeChatSource(name=senders.account, token=senders.token)
        phrases = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
        self._talk = Talk.fresh(lambda: phrases, len(storm.cases) + 1)
        self._epoch_ms = int(start.timestamp() * 1000)
        self._name = f"storm-{storm.seed}-{self._epoch_ms}"
        self._rng = dice(storm.seed, "payloads")
        self._presses_danger = {c.number: self._rng.random() < _PRESSES_DANGER for c in storm.cases}
        self._chooses = {c.number: self._rng.random() < _CHOOSES for c in storm.cases}

    def request(self, event: Event) -> Request:
        case = self._cases[event.case]
        if case.channel is Channel.WECHAT:
            return self._wechat(case, event)
        return self._call(case, event) if case.channel is Channel.PHONE else self._form(case, event)

    def _json(self, case: Case, event: Event, path: str, body: dict[str, Any], thread: str | None) -> Request:
        source, identity = self._senders.sources[case.channel], body["event_id"]
        contact = contact_id(source, identity)
        headers = {"Content-Type": "application/json", "X-API-Key": self._senders.keys[case.channel]}
        content = {name: value for name, value in body.items() if value is not None}
        return Request(
            at=event.at,
            case=case.number,
            channel=case.channel,
            path=path,
            headers=headers,
            body=json.dumps(content, ensure_ascii=False).encode(),
            contact_id=contact,
            ticket_id=ticket_id(source, thread, contact),
            resend=event.resend,
        )

    def _call(self, case: Case, event: Event) -> Request:
        said = case.said
        call = f"{self._name}-{case.number}"
        menu = [_MENU[BUSINESS[case.kind]]]
        if case.kind is Kind.HAZARD and self._presses_danger[case.number]:
            menu.append(_DANGER_KEY)
        body: dict[str, Any] = {
            "event_id": f"{call}-{event.step}",
            "external_call_id": call,
            "event": "ended" if event.step == "abandoned" else event.step,
            "occurred_at": self._at(event.at),
            "ani": said.phone or "anonymous",
            "dnis": "95598",
            "language": "en" if said.english else "zh-Hans-CN",
        }
        if event.step != "started":
            body |= {"menu_path": menu, "account_no": said.account}
        if event.step == "transcript":
            spoken = f"{said.text}，我住在{said.home}" if said.home and not said.english else said.text
            body["transcript"] = {"text": spoken, "lang": body["language"], "confidence": 0.91, "final": True}
        if event.step == "ended":
            body |= {"agent_id": f"agent-{case.number % 40:02d}", "queue": {"answered": True, "wait_s": 8.0}}
        return self._json(case, event, "/v1/phone/events", body, call)

    def _form(self, case: Case, event: Event) -> Request:
        said = case.said
        position = None
        if said.lat is not None:
            position = {"lat": said.lat, "lon": said.lon, "accuracy_m": said.accuracy_m, "crs": "wgs84"}
        body: dict[str, Any] = {
            "event_id": f"{self._name}-{case.number}",
            "business_type": BUSINESS[case.kind] if self._chooses[case.number] else None,
            "text": said.text,
            "account_id": said.account,
            "phone": said.phone,
            "address": said.home,
            "position": position,
            "language": "en" if said.english else "zh-Hans-CN",
            "hazard": True if case.kind is Kind.HAZARD and self._chooses[case.number] else None,
            "single_premise": True if said.only_mine and self._chooses[case.number] else None,
            # A clock that is ahead would be cut at the arrival: of a squeezed storm that is hours after its last event.
            "reported_at": self._at(event.at + min(0.0, said.clock_error)),
        }
        if case.channel is Channel.APP:
            body |= {"installation_id": f"app-{case.customer or case.number}", "app_version": "5.2.1"}
        return self._json(case, event, f"/v1/{case.channel.value}/reports", body, None)

    def _wechat(self, case: Case, event: Event) -> Request:
        said = case.said
        message = str(self._epoch_ms * 1_000_000 + case.number * 10 + (event.step == "location"))
        fields: dict[str, str] = {
            "ToUserName": self._senders.account,
            "FromUserName": f"o-{hashlib.sha256(f'{case.customer or case.number}'.encode()).hexdigest()[:24]}",
            "CreateTime": str(int((self._start + timedelta(seconds=event.at)).timestamp())),
            "MsgType": event.step,
            "MsgId": message,
        }
        if event.step == "location" and said.lat is not None and said.lon is not None:
            lat, lon = from_wgs84(said.lat, said.lon, Crs.GCJ02)
            fields |= {"Location_X": f"{lat:.6f}", "Location_Y": f"{lon:.6f}", "Scale": "16", "Label": said.home or ""}
        else:
            parts = [said.text, f"户号{said.account}" if said.account else "", said.home or ""]
            fields["Content"] = "，".join(part for part in parts if part)
        timestamp, nonce = fields["CreateTime"], message[-9:]
        signature = hashlib.sha1(  # noqa: S324 - the platform's scheme
            "".join(sorted((self._senders.token, timestamp, nonce))).encode()
        ).hexdigest()
        query = f"signature={signature}&timestamp={timestamp}&nonce={nonce}&openid={fields['FromUserName']}"
        contact, body = contact_id(self._senders.account, f"msg:{message}"), _xml(fields)
        return Request(
            at=event.at,
            case=case.number,
            channel=case.channel,
            path=f"/v1/wechat/{self._senders.account}?{query}",
            headers={"Content-Type": "text/xml"},
            body=body,
            contact_id=contact,
            ticket_id=self._conversation_ticket(body),
            resend=event.resend,
        )

    def _conversation_ticket(self, body: bytes) -> UUID:
        """Return the ticket of a message: that of its conversation, which the intake keeps track of in this way too."""
        accepted = wechat.accept(self._account, wechat.in_clear(body), self._start, self._talk)
        if isinstance(accepted, NotAContact):
            raise TypeError("a storm sends contacts only")
        return accepted.contact.ticket_id

    def _at(self, seconds: float) -> str:
        return (self._start + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def _xml(fields: Mapping[str, str]) -> bytes:
    plain = {"CreateTime", "MsgId", "Location_X", "Location_Y", "Scale"}
    parts = [f"<{n}>{v}</{n}>" if n in plain else f"<{n}><![CDATA[{v}]]></{n}>" for n, v in fields.items()]
    return f"<xml>{''.join(parts)}</xml>".encode()
