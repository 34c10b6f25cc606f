"""Which URLs a contact may refer to: a recording is stored as its URL and never fetched here.

Another system may fetch it from inside our networks. So a source may list its recording hosts; without a list, a host
that only makes sense inside a network (an IP address, a name without a dot) is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

_PUBLIC: Final = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z][a-z0-9-]*\.?", re.ASCII)
"""A host name that is no number in disguise (``2130706433``, ``0x7f.1``): its last label begins with a letter."""
_OTHERWISE_READ: Final = re.compile(r"[\\@#%]")
"""What readers of addresses disagree about where it stands before the path."""


def wrong_reference(url: str, hosts: Collection[str]) -> str | None:
    """Return why an address is not one of the source's; None if it is.

    Args:
        url: ``http://`` or ``https://``, printable ASCII.
        hosts: Host names and addresses in lower case; ``*.example`` is all that ends in ``.example``.
    """
    authority = re.split(r"[/?]", url.partition("://")[2], maxsplit=1)[0]
    if _OTHERWISE_READ.search(authority):
        return "must have a host and at most a port before its path"
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "is not a well-formed address"
    if not hosts:
        return None if _PUBLIC.fullmatch(host) else "must have a host name; list others in the source's recording_hosts"
    if host in hosts or any(one.startswith("*.") and host.endswith(one[1:]) for one in hosts):
        return None
    return "has a host that is not one of the source's recording_hosts"
