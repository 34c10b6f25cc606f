"""The peer of a request: its address and client certificate, also behind a proxy.

Decided here: forwarding headers count only if they come from the address of a configured proxy; from anybody else they
are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_MOST_HOSTS: Final = 4096
_FIELD: Final = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^";,]*)([;,]|\Z)')
_HASH: Final = re.compile(r'"?([0-9a-fA-F]{64})"?')
_OF_THE_PROXY: Final = frozenset({"By", "Hash"})

_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
"""An address as some proxies forward it, Azure's for one: with the port it called from."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection.

    Attributes:
        address: None where it is not an IP connection.
        certificate_sha256: Of the client certificate that a trusted proxy checked.
    """

    address: Address | None = None
    certificate_sha256: bytes | None = None

    @property
    def sender(self) -> Address | Network | None:
        """What one sender has: an IPv4 address, or a /64 of IPv6, of which every home has all (RFC 7934)."""
        if isinstance(self.address, IPv6Address):
            return IPv6Network((int(self.address) >> 64 << 64, 64))
        return self.address

    def within(self, networks: Collection[Network]) -> bool:
        """Tell whether it may come from these networks; an empty list allows all."""
        if not networks:
            return True
        return self.address is not None and any(self.address in network for network in networks)


def peer_of(host: str | None, headers: Mapping[str, str], trusted: Collection[Network]) -> Peer:
    """Return who is at the other end.

    Args:
        host: Address of the connection.
        headers: By lower-case name. ``X-Forwarded-For`` is read from its right end, past trusted proxies;
            ``X-Forwarded-Client-Cert`` as Envoy writes it (``Hash=`` is the certificate's SHA-256).
        trusted: Networks of our own proxies.
    """
    direct = _direct(host)
    address = direct.address
    if address is None or not trusted or not _in(address, trusted):
        return direct
    for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
        before = _forwarded(hop.strip())
        if before is None:
            break
        address = before
        if not _in(address, trusted):
            break
    return Peer(address, _certificate(headers.get("x-forwarded-client-cert", "")))


def _certificate(forwarded: str) -> bytes | None:
    """Return the first ``Hash`` of the last element: our own proxy added that one, what stands before was sent to it.

    In quotes or after the hash may stand names of the client's own choice. Envoy puts quotes around the subject alone,
    whatever its manual says: a URI or DNS name with a comma in it looks as if another element began there. So no hash
    counts after such a field: whose certificate it tells of cannot be known.
    """
    *sent, ours = _elements(forwarded)
    place = next((n for n, (name, _) in enumerate(ours) if name == "Hash"), None)
    if place is None:
        return None
    before = [*chain.from_iterable(sent), *ours[:place]]
    if not all(value.startswith('"') or name in _OF_THE_PROXY for name, value in before):
        return None
    found = _HASH.fullmatch(ours[place][1].strip())
    return None if found is None else bytes.fromhex(found[1])


def _elements(forwarded: str) -> list[list[tuple[str, str]]]:
    """Return the elements of a header, each as its fields in order; one without fields where it cannot be read."""
    found: list[list[tuple[str, str]]] = [[]]
    place = 0
    while (field := _FIELD.match(forwarded, place)) is not None:
        name, value, end = field.groups()
        found[-1].append((name, value))
        if not end:
            return found
        if end == ",":
            found.append([])
        place = field.end()
    return [[]]


@lru_cache(_MOST_HOSTS)
def _direct(host: str | None) -> Peer:
    return Peer(_address(host))


def _forwarded(hop: str) -> Address | None:
    ported = _WITH_PORT.fullmatch(hop)
    return _address(ported[1] or ported[2] if ported else hop)


@lru_cache(_MOST_HOSTS)
def _address(text: str | None) -> Address | None:
    try:
        found = ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped if isinstance(mapped, IPv4Address) else found


def _in(address: Address, networks: Collection[Network]) -> bool:
    return any(address in network for network in networks)
