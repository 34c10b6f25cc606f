"""Any bytes at any door, in process, as a sender who is known: for Hypothesis in a minute, for atheris in hours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import yaml

from services.contracts.envelope import decode, open_record
from services.contracts.topics import CONTACT_RECEIVED, RECIPIENT_HEARD
from services.intake.api import routes
from services.intake.channels import twilio
from services.intake.channels.refusal import PayloadRefusedError
from services.intake.channels.source import Sources
from services.intake.channels.wechat_cipher import AesKey, signature
from services.intake.security import DEVELOPMENT_KEYS
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.runtime import clock
from services.runtime.doors import Doors
from services.runtime.http import make_app
from services.runtime.producer import Producer, refuse_oversize

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from services.contracts.envelope import Outgoing

PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
SID: Final = f"AC{7:032x}"
TOKEN: Final = "tokenoftheaccount"
WECHAT: Final = {"plain": "gh_plain", "safe": "gh_safe"}
AES: Final = base64.b64encode(b"k" * 32).decode().removesuffix("=")
SECRET: Final = b"only for the tests, 24 bytes or so"
PROVIDERS: Final = ("aliyun", "volcengine", "baidu", "generic")
_HOST: Final = "https://hotline.example"
_JSON: Final = {"content-type": "application/json"}
_TYPES: Final = CONTACT_RECEIVED.types | RECIPIENT_HEARD.types

Request = tuple[str, str, dict[str, str], bytes]
"""Path, query, headers, body."""


def _keyed(source: str, path: str, kind: str = "application/json") -> Callable[[bytes], Request]:
    headers = {"content-type": kind, "x-api-key": DEVELOPMENT_KEYS[source]}
    return lambda body: (path, "", headers, body)


def _signed(body: bytes) -> Request:
    stamp = str(int(clock.now().timestamp()))
    made = hmac.digest(SECRET, b".".join((b"e", stamp.encode(), body)), "sha256")
    told = {
        "webhook-id": "e",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }
    return "/v1/web/reports", "", _JSON | told, body


def _binary(body: bytes) -> Request:
    head, _, rest = body.partition(b"\n")
    told = {"ce-specversion": "1.0", "ce-type": "gridline.contact.submitted.v1", "ce-source": "s", "ce-id": "i"}
    told |= {f"ce-{name}": head.decode("latin-1") for name in ("subject", "time", "id")[: len(head) % 4]}
    return "/v1/events", "", {**_JSON, "x-api-key": DEVELOPMENT_KEYS["api-dev"], **told}, rest


def _twilio(body: bytes) -> Request:
    head, _, rest = body.partition(b"\n")
    rest = b"AccountSid=" + SID.encode() + b"&CallSid=CA1&" + rest
    query = urlencode({"menu_path": head.decode("latin-1"), "gather": "account"})
    try:
        signs = twilio.signature(TOKEN, f"{_HOST}/v1/phone/twilio?{query}", twilio.read_form(rest))
    except PayloadRefusedError:
        signs = "none"  # before anybody looks at it
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signs}
    return "/v1/phone/twilio", query, headers, rest


def _wechat(body: bytes) -> Request:
    query = {"timestamp": "1", "nonce": "2", "signature": signature(TOKEN, "1", "2")}
    return f"/v1/wechat/{WECHAT['plain']}", urlencode(query), {"content-type": "text/xml"}, body


def _sealed(encrypted: str) -> Request:
    query = {"timestamp": "1", "nonce": "2", "encrypt_type": "aes"}
    query["msg_signature"] = signature(TOKEN, "1", "2", encrypted)
    body = f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()
    return f"/v1/wechat/{WECHAT['safe']}", urlencode(query), {"content-type": "text/xml"}, body


DOORS: Final[dict[str, Callable[[bytes], Request]]] = {
    "phone": _keyed("ivr-dev", "/v1/phone/events"),
    "connect": _keyed("ivr-dev", "/v1/phone/connect"),
    "asterisk": _keyed("ivr-dev", "/v1/phone/asterisk"),
    "asterisk lines": _keyed("ivr-dev", "/v1/phone/asterisk", "text/plain"),
    "huawei": _keyed("ivr-dev", "/v1/phone/huawei"),
    "twilio": _twilio,
    "web": _keyed("web-dev", "/v1/web/reports"),
    "web signed": _signed,
    "app": _keyed("app-dev", "/v1/app/reports"),
    "form": lambda body: ("/v1/form/reports", "", _JSON, body),
    "wechat": _wechat,
    "wechat ciphertext": lambda body: _sealed(base64.b64encode(body).decode()),
    "wechat sealed": lambda body: _sealed(AesKey.decode(AES).encrypt(body, "wxsafe", b"r" * 16)),
    **{one: lambda body, one=one: (f"/v1/sms/{one}/key-of-{one}", "", _JSON, body) for one in PROVIDERS},  # type: ignore[misc]
    "event": _keyed("api-dev", "/v1/events", "application/cloudevents+json"),
    "event binary": _binary,
    "batch": _keyed("api-dev", "/v1/events", "application/cloudevents-batch+json"),
}


class Kept(Producer):
    """Keeps what is sent: every record must be one that a consumer can read."""

    async def send(self, outgoing: Outgoing, *, deadline_s: float | None = None) -> None:
        refuse_oversize(outgoing)
        decode(open_record(outgoing.value, outgoing.headers), _TYPES)


class Knocker:
    """The doors, with every kind of sender known, no limit on how much is sent, and no memory of ids."""

    def __init__(self) -> None:
        limits: dict[str, Any] = dict.fromkeys(
            ("source_per_s", "source_burst", "customer_per_minute", "customer_burst", "address_per_minute"), 1e12
        )
        settings = IntakeSettings(**limits, address_burst=1e12, recent_keys=0)
        sources = yaml.safe_load(settings.sources_file.read_text(encoding="utf-8"))
        sources["web"]["web-dev"]["webhook_secrets"] = ["whsec_" + base64.b64encode(SECRET).decode()]
        sources["twilio"] = {"twilio-dev": {"account_sid": SID, "auth_tokens": [TOKEN], "public_url": _HOST}}
        safe = {"mode": "safe", "appid": "wxsafe", "encoding_aes_keys": [AES]}
        sources["wechat"] = {WECHAT["plain"]: {"token": TOKEN}, WECHAT["safe"]: {"token": TOKEN, **safe}}
        sources["sms"] = {
            one: {"provider": one, "api_keys_sha256": [hashlib.sha256(f"key-of-{one}".encode()).hexdigest()]}
            for one in PROVIDERS
        }
        read = Sources.model_validate(sources)
        app = make_app("intake", ready=lambda: asyncio.sleep(0, []))
        self._app = Doors(app, [routes(settings, lambda: read, Kept(settings), lambda: PHRASES)])

    async def knock(self, door: str, body: bytes) -> tuple[int, bytes]:
        """Send bytes to a door; return the status and the answer."""
        path, query, headers, sent = DOORS[door](body)
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("hotline.example", 443),
            "scheme": "https",
            "http_version": "1.1",
        }
        said: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        return said[0]["status"], b"".join(one.get("body", b"") for one in said[1:])


def check(status: int, answer: bytes) -> None:
    """Raise ``AssertionError`` for an answer that is neither an acceptance nor a refusal that says why."""
    assert status < 500, (status, answer)
    if status >= 400:
        problem = json.loads(answer)
        assert problem["status"] == status
        assert problem["title"]
        assert problem["errors" if status == 422 else "detail"], problem
