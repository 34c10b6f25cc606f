"""Addresses in settings, read as the HTTP client will read them.

What it would refuse only at the first call is refused at the start: a service that begins and then ends at the first
thing it has to say is worse than one that does not begin.
"""

from __future__ import annotations

from typing import Final

import httpx

_PORTS: Final = range(1, 65_536)


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
