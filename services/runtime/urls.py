"""Addresses in settings, read as the HTTP client will read them.

What it would refuse only at the first call is refused at the start: a service that begins and then ends at the first
thing it has to say is worse than one that does not begin.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = range(1, 65_536)
_HOST: Final = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_DSN: Final = (
    "must be an address such as postgresql://user:password@host:5432/database; in a password, / is written %2F, "
    "# %23, ? %3F, @ %40 and % %25"
)
_TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TLS_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


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
    """Check that the database's client could read its address, and the files of certificates that it names.

    Raises:
        ValueError: it could not. But for the name of such a file nothing of the address is in the text, for a part of
            the password may stand anywhere.
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
    _check_tls(dict(parse_qsl(parts.query)))


def _check_tls(query: Mapping[str, str]) -> None:
    mode = query.get("sslmode", "prefer")
    if mode not in _TLS_MODES:
        raise ValueError(f"sslmode in the address must be one of {', '.join(_TLS_MODES)}")
    if mode == "disable":
        return
    for name in _TLS_FILES:
        try:
            Path(query.get(name) or os.devnull).open("rb").close()
        except OSError as error:  # the client's own would not name it
            raise ValueError(f"{name} in the address: {query[name]} cannot be read: {error.strerror}") from None
    usual = os.environ.get("PGSSLROOTCERT") or Path("~/.postgresql/root.crt").expanduser()
    if mode.startswith("verify") and "sslrootcert" not in query and not Path(usual).exists():
        raise ValueError(
            f"sslmode={mode} in the address needs sslrootcert=FILE beside it, the authorities' certificates"
        )
