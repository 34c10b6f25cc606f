"""What a receiver may do that no gateway should: functions that are given the connection after the request was read."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import os
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_AT_ONCE: Final = 100
_TO_A_BYTE: Final = 0.05
_MEBIBYTE: Final = b"\0" * (1 << 20)


async def silent(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def dripping(text: bytes, at_once: bytes = b"") -> Behaviour:
    """Say the first at once and the rest a byte at a time."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(at_once)
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(_TO_A_BYTE)

    return say


def endless(begin: bytes, again: bytes) -> Behaviour:
    """Say the first, and the second for ever, as fast as it is taken."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while not writer.is_closing():
            writer.write(again * _AT_ONCE)
            await writer.drain()
            await asyncio.sleep(0)

    return say


def saying(text: bytes) -> Behaviour:
    """Say this, and close the connection."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return say


def later(seconds: float, then: Behaviour) -> Behaviour:
    """Wait, and then do so."""

    async def say(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await then(writer)

    return say


async def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection so that the other side hears of it at once (RST)."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def garbage_under_tls(text: bytes = b"") -> Behaviour:
    """Say this, and then bytes that no key of the connection has made."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + b"?" * 32)
        await asyncio.Event().wait()

    return say


def compressed(times: int, mebibytes: int = 256) -> bytes:
    """Return an answer whose body unfolds to so many MiB, compressed so many times over."""
    body = gzip.compress(_MEBIBYTE * mebibytes)
    for _ in range(times - 1):
        body = gzip.compress(body)
    head = f"content-encoding: {', '.join(['gzip'] * times)}\r\ncontent-length: {len(body)}"
    return b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head.encode(), body)


class Authority:
    """Signs certificates for servers; its own is in ``file``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._signed(self._key, self._name, x509.BasicConstraints(ca=True, path_length=None)))

    def server(self, *, name: str = "localhost", days: int = 1, asks_for_ours: bool = False) -> ssl.SSLContext:
        """Return what a server needs; a certificate of ``days`` below 0 has expired.

        Args:
            name: Whom the certificate is for.
            days: For how long it holds.
            asks_for_ours: Whether the client must show a certificate too.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        file = self._folder / f"{name}-{days}.pem"
        file.write_bytes(
            self._signed(key, subject, x509.SubjectAlternativeName([x509.DNSName(name)]), days)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if asks_for_ours:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _signed(
        self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, extension: x509.ExtensionType, days: int = 1
    ) -> bytes:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - dt.timedelta(days=9))
            .not_valid_after(until)
            .add_extension(extension, critical=False)
        )
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
