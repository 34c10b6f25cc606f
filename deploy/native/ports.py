"""TCP ports on this machine: a free one, and who holds a taken one.

Decided here: everything listens on 127.0.0.1 and nowhere else.
Never here: starting anything.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_TCP_LISTEN = "0A"
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _ENOUGH, _TRIES = 20_000, 1_000, 100
PARTS = 4
_given: set[int] = set()
_part: int | None = None


def outgoing_ports() -> range:
    """The ports this machine gives to connections that programs open.

    A server does better without one of them. While it is being started again, whoever tries to reach it is given a
    port for each attempt, and once it is the very port they call: then they are connected to themselves, and the
    server finds its port in use until nobody tries any more.

    Source: tcp(7), ip_local_port_range; RFC 6335, 6, where the system does not tell.
    """
    try:
        lowest, highest = map(int, _OUTGOING.read_text().split())
    except (OSError, ValueError):
        lowest, highest = 49_152, 65_535
    return range(lowest, highest + 1)


def keep_to_part(number: int | None) -> None:
    """From now on, draw free ports of one of four parts only; ``None``: of all.

    Of processes that draw at the same time, each from a part of its own, none is given what another was given and has
    not taken yet, or has for a server that is away for a moment.
    """
    global _part  # noqa: PLW0603 - what a process draws from is one for all of it, as what it was given is
    _part = None if number is None else number % PARTS


def free_port() -> int:
    """A port nobody listens on now, none of ``outgoing_ports``. Another process may take it before you do."""
    if (number := outgoing_ports().start - _LOWEST) >= _ENOUGH:
        lowest = _LOWEST
        if _part is not None:
            number //= PARTS
            lowest += _part * number
        for _ in range(_TRIES):
            port = lowest + secrets.randbelow(number)
            if port not in _given and is_free(port):
                _given.add(port)
                return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now (a closed connection's remains do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def listener(port: int) -> str:
    """Who listens on a port, as `java (process 4711)`; an honest guess where the system does not tell us.

    Source: proc(5), /proc/net/tcp gives the socket's inode, /proc/PID/fd who holds it.
    """
    inodes = _listening_inodes(port)
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):  # not ours to look at, or gone meanwhile
            for descriptor in (folder / "fd").iterdir():
                target = str(descriptor.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
    return "another program"


def _listening_inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _TCP_LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    found.add(fields[9])
    return found
