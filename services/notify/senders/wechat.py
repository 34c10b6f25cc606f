"""Sends notices as template messages of WeChat official accounts.

Source: the platform's documentation of ``stable_token``, ``message/template/send`` and its return codes.
``stable_token`` gives every process the same token. ``client_msg_id`` is the notice's id: for ten minutes the platform
drops repeats of it. An attempt without an outcome is repeated within that time and never after it. A message accepted
by the platform may still not arrive; that is reported later, by ``delivery_id``.

Never here: a token, a secret, an openid or a text in a log or an error.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard

import orjson

from services.notify.domain.notice import Template
from services.notify.senders import Delivered, Refused, Retry
from services.notify.senders.http import HttpSender, NoAnswerError, read_body
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from services.notify.senders import Answer, Letter
    from services.notify.wechat_file import WechatAccount, WechatAccounts

_LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_TOKEN: Final = 2048  # its documents ask for room for 512
_LONGEST_MSGID: Final = 128
_EARLY_SECONDS: Final = 300.0
"""A token is asked for again this long before it ends; the platform then gives the next one."""
_SHORTEST_SECONDS: Final = 30.0
_TO_GET_A_TOKEN: Final = 0.4
"""Share of the longest wait after which there is no token: whoever waits for one has sent nothing, and it must be known
before the attempt is ended, also with the wait for a connection after it."""
_TOKEN_IS_OLD: Final = frozenset({40001, 40014, 42001})
# This notice can never arrive there: no such follower, they left or refuse, or a value that the template cannot take.
# Everything else is the platform's, or ours and mended by an operator (a wrong secret, a deleted template): then all
# notices fail alike, and none must be given up for it.
_THIS_NOTICE: Final = {
    40003: "no_such_openid",
    43004: "not_following",
    43101: "refused_by_customer",
    47003: "bad_value",
}
_PERHAPS_ALL: Final = frozenset({40003, 47003})
"""Or all followers are another account's, by a mistake in the file; or somebody changed the template's fields."""
_WAIT_SECONDS: Final = {45009: 3600.0, 45011: 60.0}
"""What to wait for: the day's quota, the minute's."""


class _NoTokenError(Exception):
    """Without a token nothing was sent; the text is a word for why."""

    def __init__(self, word: str, after_s: float | None = None) -> None:
        super().__init__(word)
        self.after_s = after_s


@dataclass(slots=True)
class _Token:
    value: str
    until: float


class WechatSender(HttpSender):
    """Sends through the accounts of a file. Use it as an asynchronous context manager: it keeps connections open."""

    name: Literal["wechat"] = "wechat"
    repeatable = True
    forgets_s = 600.0

    def __init__(
        self,
        accounts: Callable[[], WechatAccounts],
        api: str,
        *,
        timeout_s: float,
        connections: int,
        ca_file: Path | None = None,
    ) -> None:
        """Make it.

        Args:
            accounts: Gives the official accounts in force, by their original id.
            api: Address of the platform.
            timeout_s: Longest wait between two packets; a quarter of it is the longest for a connection.
            connections: Most connections at once.
            ca_file: CA certificate for https; the system's if absent.
        """
        super().__init__(api, timeout_s=timeout_s, connections=connections, ca_file=ca_file)
        self._api = api.rstrip("/")
        self._accounts = accounts
        self._token_s = timeout_s * _TO_GET_A_TOKEN
        self._tokens: dict[str, _Token] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def send(self, letter: Letter, now: datetime) -> Answer:  # noqa: ARG002 - the protocol's argument
        """Send once; a token that the platform does not know any more is asked for anew, once."""
        accounts = self._accounts()
        account = accounts.accounts.get(letter.account or "")
        if account is None:
            return Retry("no_such_account")
        body = _body(accounts, account, letter)
        try:
            token = await self._token(account)
            said = await self._post("/cgi-bin/message/template/send", body, token)
            if _code(said) in _TOKEN_IS_OLD:
                token = await self._token(account, not_this=token)
                said = await self._post("/cgi-bin/message/template/send", body, token)
        except _NoTokenError as error:
            return Retry(str(error), after_s=error.after_s)
        except NoAnswerError as error:
            return Retry(str(error), doubtful=error.doubtful)
        return _answer(said)

    async def _token(self, account: WechatAccount, *, not_this: str | None = None) -> str:
        """Return a token that holds, asking for one at most once at a time an account.

        Raises:
            _NoTokenError: there is none to be had, or not in time.
        """
        try:
            async with asyncio.timeout(self._token_s):
                return await self._held_or_new(account, not_this)
        except TimeoutError:
            raise _NoTokenError("token_timeout") from None

    async def _held_or_new(self, account: WechatAccount, not_this: str | None) -> str:
        async with self._asking.setdefault(account.appid, asyncio.Lock()):
            held = self._tokens.get(account.appid)
            if held is not None and held.until > clock.monotonic() and held.value != not_this:
                return held.value
            asked = {"grant_type": "client_credential", "appid": account.appid, "secret": account.app_secret}
            try:
                said = await self._post("/cgi-bin/stable_token", orjson.dumps({**asked, "force_refresh": False}))
            except NoAnswerError as error:
                raise _NoTokenError(str(error)) from None
            token, seconds = said.get("access_token"), said.get("expires_in")
            if not _is_token(token) or not isinstance(seconds, int):
                raise _NoTokenError(_word("token", said), _wait(said))
            lasts = max(_SHORTEST_SECONDS, seconds - _EARLY_SECONDS)
            self._tokens[account.appid] = _Token(token, clock.monotonic() + lasts)
            return token

    async def _post(self, path: str, body: bytes, token: str | None = None) -> dict[str, Any]:
        """Return the platform's answer.

        Raises:
            NoAnswerError: there was none, or it is none.
        """
        params = None if token is None else {"access_token": token}
        async with self._posted(self._api + path, body, {"content-type": "application/json"}, params) as response:
            if response.status_code != HTTPStatus.OK:
                refused = response.is_client_error
                raise NoAnswerError(f"http_{response.status_code}", doubtful=not refused)
            text = await read_body(response, _LONGEST_ANSWER)
        if text is None:
            raise NoAnswerError("too_long_an_answer")
        with suppress(orjson.JSONDecodeError):
            said = orjson.loads(text)
            if isinstance(said, dict):
                return said
        raise NoAnswerError("no_answer_of_the_platform")


def _body(accounts: WechatAccounts, account: WechatAccount, letter: Letter) -> bytes:
    template = account.templates[Template(letter.template)]

    def filled(pattern: str) -> str:
        times = {"etr": letter.etr, "restored_at": letter.restored_at, "closed_at": letter.closed_at}
        return accounts.fill(pattern, ref=letter.ticket_ref, text=letter.text, times=times)

    message: dict[str, Any] = {
        "touser": letter.address,
        "template_id": template.template_id,
        "client_msg_id": letter.notice_id.hex,
        "data": {key: {"value": filled(pattern)} for key, pattern in template.data.items()},
    }
    if template.url is not None:
        message["url"] = filled(template.url)
    return orjson.dumps(message)


def _answer(said: dict[str, Any]) -> Answer:
    code = _code(said)
    if code == 0:
        return Delivered(_delivery_id(said.get("msgid")))
    if code in _THIS_NOTICE:
        return Refused(_THIS_NOTICE[code], perhaps_all=code in _PERHAPS_ALL)
    return Retry(_word("wechat", said), after_s=_wait(said), doubtful=code is None)


def _code(said: dict[str, Any]) -> int | None:
    """Return the platform's code; None where what it said has none, as no answer of its documents does."""
    code = said.get("errcode")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _delivery_id(msgid: object) -> str | None:
    """Return its id of a message, in what a column of text can hold; None where it is none."""
    word = str(msgid) if isinstance(msgid, (int, str)) else ""
    return word if 0 < len(word) <= _LONGEST_MSGID and word.isascii() and word.isprintable() else None


def _is_token(said: object) -> TypeGuard[str]:
    return isinstance(said, str) and 0 < len(said) <= _LONGEST_TOKEN and said.isascii() and said.isprintable()


def _wait(said: dict[str, Any]) -> float | None:
    """Return how long this answer asks us to wait."""
    return None if (code := _code(said)) is None else _WAIT_SECONDS.get(code)


def _word(about: str, said: dict[str, Any]) -> str:
    """Return a word for log and metric: the code alone, as the platform's own text may repeat what was sent."""
    return "no_answer_of_the_platform" if (code := _code(said)) is None else f"{about}_{code}"
