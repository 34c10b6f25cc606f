"""Addresses in settings, read as the HTTP client will read them.

What it would refuse only at the first call is refused at the start: a service that begins and then ends at the first
thing it has to say is worse than one that does not begin.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import httpx

_PORTS: Final = range(1, 65_536)
_HOST: Final = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_DSN: Final = (
    "must be an address such as postgresql://user:password@host:5432/database; in a password, / is written %2F, "
    "# %23, ? %3F, @ %40 and % %25"
)


def read_url(text: str) -> str:
    """Return an address without the white space around it, as files of secrets end with a line break.

    Raises:
        ValueError: it is none of http or https that a client could call. The address is not in the text.
    """
    bare = text.strip()
    try:
        url = httpx.URL(bare)
        scheme, host, port = url.scheme, url.host, url.port
    except (httpx.InvalidURL, UnicodeError):  # the second: a name in punycode that is none
        raise ValueError("must be an address such as https://gateway.example/notices") from None
    if scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address such as https://gateway.example/notices")
    if port is not None and port not in _PORTS:
        raise ValueError("the port of an address is 1 to 65535")
    return bare


def check_dsn(text: str) -> None:
    """Check that the database's client could read its address.

    Raises:
        ValueError: it could not; nothing of the address is in the text, for a part of the password may stand anywhere.
    """
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that are no address
        raise ValueError(_DSN) from None
    hosts = [_HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    if parts.scheme not in {"postgresql", "postgres"} or "@" in parts.path or parts.fragment or None in hosts:
        raise ValueError(_DSN)
    if any(found and found[1] and int(found[1]) not in _PORTS for found in hosts):
        raise ValueError("the port of an address is 1 to 65535")
