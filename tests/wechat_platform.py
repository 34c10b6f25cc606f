"""The WeChat platform as its documentation describes it: signs, encrypts, gives up after five seconds, tries thrice.

Written apart from the intake's own code, so that a mistake there is not made here too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from defusedxml import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 5.0
"""The platform cuts the connection after this."""
TRIES = 3


def sha1_of(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def encrypted(message: bytes, aes_key: str, appid: str, random: bytes = b"r" * 16) -> str:
    key = base64.b64decode(aes_key + "=")
    content = random + struct.pack("!I", len(message)) + message + appid.encode()
    padder = padding.PKCS7(256).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    padded = padder.update(content) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypted(text: str, aes_key: str) -> tuple[bytes, str]:
    """The message and the appid."""
    key = base64.b64decode(aes_key + "=")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    unpadder = padding.PKCS7(256).unpadder()
    padded = decryptor.update(base64.b64decode(text)) + decryptor.finalize()
    content = unpadder.update(padded) + unpadder.finalize()
    (length,) = struct.unpack("!I", content[16:20])
    return content[20 : 20 + length], content[20 + length :].decode()


@dataclass
class Platform:
    """One official account's side of the platform.

    ``aes_key`` set: safe mode. ``form``: the console's data format.
    """

    account: str
    token: str
    aes_key: str | None = None
    appid: str = ""
    form: str = "xml"
    seconds: float = SECONDS
    tries: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def message(self, openid: str, kind: str, at: int = 1_790_000_000, **fields: Any) -> dict[str, Any]:
        """A message as the platform makes it; it has an id of its own unless it is an event."""
        base = {"ToUserName": self.account, "FromUserName": openid, "CreateTime": at, "MsgType": kind}
        number = {} if kind == "event" else {"MsgId": 24_000_000_000_000_000 + next(self._numbers)}
        return {**base, **fields, **number}

    def written(self, fields: dict[str, Any]) -> bytes:
        if self.form == "json":
            return json.dumps(fields, ensure_ascii=False).encode()
        inner = "".join(
            f"<{name}>{value}</{name}>" if isinstance(value, int | float) else f"<{name}><![CDATA[{value}]]></{name}>"
            for name, value in fields.items()
        )
        return f"<xml>{inner}</xml>".encode()

    def request(self, fields: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Query and body of one try; another one has another nonce and another ciphertext."""
        self.tries += 1
        timestamp, nonce = str(fields["CreateTime"] + 1), str(770_000_000 + self.tries)
        query = {"timestamp": timestamp, "nonce": nonce, "signature": sha1_of(self.token, timestamp, nonce)}
        body = self.written(fields)
        if self.aes_key is None:
            return query, body
        random = str(self.tries).rjust(16, "0").encode()
        cipher = encrypted(body, self.aes_key, self.appid, random)
        query |= {"encrypt_type": "aes", "msg_signature": sha1_of(self.token, timestamp, nonce, cipher)}
        return query, self.written({"ToUserName": self.account, "Encrypt": cipher})

    async def push(self, client: httpx.AsyncClient, fields: dict[str, Any]) -> httpx.Response | None:
        """Push a message, again after no answer or an error, thrice in all; None where none was answered well."""
        for _ in range(TRIES):
            query, body = self.request(fields)
            kind = "application/json" if self.form == "json" else "text/xml"
            try:
                answer = await client.post(
                    f"/v1/wechat/{self.account}",
                    params=query,
                    content=body,
                    headers={"Content-Type": kind},
                    timeout=self.seconds,
                )
            except httpx.TimeoutException:
                continue
            if answer.status_code == 200:
                return answer
        return None

    def shown(self, answer: httpx.Response) -> str | None:
        """What the citizen sees: the text of a passive reply that the platform can use; None for ``success``."""
        if answer.text in {"success", ""}:
            return None
        fields = self._fields(answer.content)
        if self.aes_key is not None:
            parts = (self.token, str(fields["TimeStamp"]), str(fields["Nonce"]), str(fields["Encrypt"]))
            assert sha1_of(*parts) == fields["MsgSignature"]
            message, appid = decrypted(str(fields["Encrypt"]), self.aes_key)
            assert appid == self.appid
            fields = self._fields(message)
        assert fields["FromUserName"] == self.account
        assert fields["MsgType"] == "text"
        assert int(fields["CreateTime"]) > 0
        return str(fields["Content"])

    def _fields(self, body: bytes) -> dict[str, Any]:
        if self.form == "json":
            found: dict[str, Any] = json.loads(body)
            return found
        return {child.tag: child.text or "" for child in ElementTree.fromstring(body.decode(), forbid_dtd=True)}
