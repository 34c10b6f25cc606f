"""Photos: re-encoded, and stored by the hash of their content.

Decided here: what is a photo (by its first bytes, never by the declared type), how large it may be, and that only
pixels are kept: no place, time or camera. Never here: a file name of the sender's, or a decoder that is not needed.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageOps

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.report import Photo

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from pathlib import Path

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_MAGIC: Final = ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBP", 8))
_MOST_PIXELS: Final = 25_000_000
"""Of formats that are unpacked whole: 100 MB of memory."""
_MOST_JPEG_PIXELS: Final = 120_000_000
"""A JPEG is unpacked at a half, a quarter or an eighth where it is large."""
Image.MAX_IMAGE_PIXELS = None  # its warning and its error are replaced by ``_refuse_too_large``
_LONGEST_SIDE: Final = 20_000
_KEPT_SIDE: Final = 2048
_QUALITY: Final = 82
_MOST_SCANS: Final = 50
"""Of a progressive JPEG; cameras and editors make some ten. Each goes over the whole picture, and costs ten bytes."""
_MOST_SEGMENTS: Final = 2000
_MOST_BETWEEN: Final = 1024
"""Bytes before a picture that belong to no segment: they are looked at one by one, in Python."""
_MARKER: Final = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""Of JPEG, but for those that stand within a scan: a stuffed byte, a restart."""
_AT_ONCE: Final = 1  # unpacked at a time: the other processor, and the other half of the memory, are for contacts
_MOST_WAITING: Final = 16
_MOST_OF_ONE: Final = 8


def remade(sent: bytes) -> bytes:
    """Return a JPEG of the same picture, upright, at most 2,048 pixels a side, with nothing else in it.

    Raises:
        PayloadRefusedError: it is no photo, or a larger one than is taken.
    """
    if not any(sent[at : at + len(magic)] == magic for magic, at in _MAGIC):
        raise PayloadRefusedError(Reason.NOT_A_PHOTO, "Send a photo as JPEG, PNG or WebP.")
    if sent.startswith(b"\xff\xd8") and _costs_too_much(sent):
        raise PayloadRefusedError(Reason.NOT_A_PHOTO, "The photo has too many parts to be one.")
    try:
        with Image.open(io.BytesIO(sent), formats=_FORMATS) as image:
            _refuse_too_large(image)
            image.draft("RGB", (_KEPT_SIDE, _KEPT_SIDE))
            image.thumbnail((_KEPT_SIDE, _KEPT_SIDE))  # first: whatever else is done makes another of it
            flat = _on_white(ImageOps.exif_transpose(image))
        clean = Image.new("RGB", flat.size)
        clean.paste(flat)
        made = io.BytesIO()
        clean.save(made, "JPEG", quality=_QUALITY, optimize=True)
    except PayloadRefusedError:
        raise
    except Exception as error:  # a broken picture makes decoders raise whatever it can make them raise
        raise PayloadRefusedError(Reason.NOT_A_PHOTO, "The photo is damaged and cannot be read.") from error
    return made.getvalue()


def _refuse_too_large(image: Image.Image) -> None:
    """Look at the size the header claims, before any pixel is unpacked."""
    width, height = image.size
    most = _MOST_JPEG_PIXELS if image.format in {"JPEG", "MPO"} else _MOST_PIXELS
    if width * height > most or max(width, height) > _LONGEST_SIDE:
        raise PayloadRefusedError(Reason.OVERSIZE, f"The photo has more than {most // 1_000_000} million pixels.")


def _costs_too_much(sent: bytes) -> bool:
    """Go through a JPEG's markers from segment to segment (ITU-T T.81, B.1), before a decoder does, and slowly."""
    scans, at = 0, 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(sent, at) if scans else _MARKER.search(sent, at, at + _MOST_BETWEEN)
        if found is None:
            return not scans
        if found[1] == _END:
            return False
        at = found.end()
        if found[1] != _ALONE:
            at += int.from_bytes(sent[at : at + 2], "big")
        scans += found[1] == _SCAN
        if scans > _MOST_SCANS:
            return True
    return True


_END, _SCAN, _ALONE = b"\xd9", b"\xda", b"\x01"


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


@dataclass(frozen=True, slots=True)
class Made:
    """A photo made anew, and its bytes."""

    photo: Photo
    content: bytes


def _make(sent: bytes) -> Made:
    content = remade(sent)
    sha256 = hashlib.sha256(content).hexdigest()
    photo = Photo(ref=f"{sha256[:2]}/{sha256}.jpg", sha256=sha256, sent_sha256=hashlib.sha256(sent).hexdigest())
    return Made(photo, content)


class PhotoStore:
    """A folder of photos, each under the hash of its content."""

    def __init__(self, folder: Path, *, min_free_bytes: int) -> None:
        self._folder = folder
        self._min_free = min_free_bytes
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def place(self, stranger: Hashable | None) -> Iterator[None]:
        """Hold one of the places, before a photo's bytes are read: they are all held in memory.

        Args:
            stranger: Who sends it and has shown no credential yet, by their address; they may send as slowly as they
                like, and have half of the places at most. None for anybody else.

        Raises:
            PayloadRefusedError: too many photos wait.
        """
        if self._taken.total() >= _MOST_WAITING or (stranger is not None and self._taken[stranger] >= _MOST_OF_ONE):
            raise PayloadRefusedError(Reason.BUSY, "Too many photos wait. The report itself is kept: send it later.")
        self._taken[stranger] += 1
        try:
            yield
        finally:
            self._taken[stranger] -= 1
            if not self._taken[stranger]:
                del self._taken[stranger]

    async def make(self, sent: bytes) -> Made:
        """Make a photo anew; it is not stored yet.

        Raises:
            PayloadRefusedError: it is no photo, or too large.
        """
        async with self._turns:
            return await asyncio.to_thread(_make, sent)

    async def keep(self, made: Made) -> None:
        """Store a photo; the same photo again is the same file.

        Raises:
            PayloadRefusedError: there is no room for it now.
        """
        try:
            await asyncio.to_thread(self._write, self._folder / made.photo.ref, made.content)
        except OSError as error:
            raise PayloadRefusedError(Reason.BUSY, "Photos cannot be stored now. The report itself is kept.") from error

    def _write(self, path: Path, content: bytes) -> None:
        """Write whole or not at all: the name appears when the bytes are on disk, and is on disk itself at the end."""
        if path.exists():
            path.touch()  # its age is that of the last report it was sent with
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < self._min_free:
            raise OSError("the disk is nearly full")
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)  # noqa: PTH105 - as it is said in every manual
        except BaseException:
            os.unlink(name)  # noqa: PTH108 - likewise
            raise
        for folder in (path.parent, self._folder):
            _sync_names(folder)


def _sync_names(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
