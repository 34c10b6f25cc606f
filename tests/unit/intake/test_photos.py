"""Photos: what is one, what is kept of it, and what a hostile picture does not do."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.contracts.ids import contact_id
from services.contracts.values import Channel
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.report import Photo, photo_contact
from services.intake.channels.source import FormSource
from services.intake.photos import PhotoStore, remade

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SOURCE = FormSource(name="report-form")


def picture(kind: str, size: tuple[int, int] = (64, 32), mode: str = "RGB", **how: Any) -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, "red").save(made, kind, **how)
    return made.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=["JPEG"])


def refused(sent: bytes) -> PayloadRefusedError:
    with pytest.raises(PayloadRefusedError) as caught:
        remade(sent)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_becomes_a_jpeg_of_the_same_picture(kind: str) -> None:
    made = opened(remade(picture(kind)))
    assert made.size == (64, 32)
    assert made.getpixel((5, 5))[0] > 200


def test_place_time_and_camera_are_gone_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6  # turned by 90 degrees
    exif.get_ifd(0x8825)[2] = (32.0, 3.0, 36.0)
    sent = picture("JPEG", exif=exif, comment=b"SecretComment")
    assert b"SecretCamera" in sent
    assert b"SecretComment" in sent
    made = remade(sent)
    assert b"Secret" not in made
    assert b"Exif" not in made
    assert opened(made).size == (32, 64)
    assert not opened(made).getexif()


def test_a_png_with_text_and_transparency_keeps_only_its_pixels_on_white() -> None:
    info = PngInfo()
    info.add_text("Author", "SecretName")
    made = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(made, "PNG", pnginfo=info)
    result = remade(made.getvalue())
    assert b"SecretName" not in result
    assert min(opened(result).getpixel((4, 4))) > 250


def test_a_large_photo_is_made_smaller() -> None:
    assert opened(remade(picture("JPEG", (6000, 3000)))).size == (2048, 1024)


def test_a_telephones_photo_of_thirty_million_pixels_is_taken() -> None:
    """Only what is unpacked whole may have no more than 25: a JPEG is unpacked at a part of its size."""
    assert opened(remade(picture("JPEG", (6000, 5000), "L"))).size == (2048, 1707)


def test_who_sends_another_format_hears_which_are_taken() -> None:
    heic = b"\0\0\0\x18ftypheic" + b"\0" * 40
    assert "JPEG, PNG or WebP" in str(refused(heic))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a" + b"\0" * 40,
        b"%PDF-1.7",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBPVP8 ",
        picture("PNG")[:60],
        picture("JPEG")[:100],
        picture("GIF"),
        picture("TIFF"),
    ],
)
def test_what_is_no_whole_photo_is_refused(sent: bytes) -> None:
    assert refused(sent).reason is Reason.NOT_A_PHOTO


def _png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*each) for each in ((b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b""))
    )


def test_a_bomb_is_refused_by_its_header_before_a_pixel_is_unpacked() -> None:
    assert refused(_png(50_000, 50_000)).reason is Reason.OVERSIZE
    assert refused(_png(5_001, 5_000)).reason is Reason.OVERSIZE
    assert refused(_png(30_000, 2)).reason is Reason.OVERSIZE


def test_a_bomb_of_packed_text_is_refused() -> None:
    text = b"Comment\0\0" + zlib.compress(b"a" * 50_000_000)
    assert refused(_png(8, 8, (b"zTXt", text))).reason is Reason.NOT_A_PHOTO


def _of_scans(count: int) -> bytes:
    """A progressive JPEG with so many more scans of nothing, each of which goes over all of the picture."""
    whole = picture("JPEG", (1000, 1000), progressive=True)
    end = whole.rindex(b"\xff\xd9")
    return whole[:end] + whole[whole.rindex(b"\xff\xda") : end] * count + whole[end:]


def test_a_bomb_of_scans_is_refused_before_one_of_them_is_read() -> None:
    """Two hundred kilobytes took more than a minute, and ten megabytes an hour, of one of the two that are unpacked."""
    began = time.process_time()
    assert refused(_of_scans(10_000)).reason is Reason.NOT_A_PHOTO
    assert time.process_time() - began < 5


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\x00", b"a", b"\xff\xfe\x00\x02"])
def test_a_photo_of_ten_megabytes_of_nothing_before_its_picture_is_refused_at_once(junk: bytes) -> None:
    """Each byte, or segment, was looked at in Python, beside all that contacts are accepted by, for seconds."""
    whole = picture("JPEG")
    first, rest = whole[:20], whole[20:]  # behind its first segment
    began = time.process_time()
    assert refused(first + junk * (10_000_000 // len(junk)) + rest).reason is Reason.NOT_A_PHOTO
    assert time.process_time() - began < 1
    assert opened(remade(first + junk * 100 + rest)).size == (64, 32)


def test_the_largest_photo_is_in_memory_once() -> None:
    """70 kB may unpack to it, and the process that unpacks it takes contacts in."""
    sent = io.BytesIO()
    Image.new("RGB", (5000, 5000)).save(sent, "PNG")
    Image.core.reset_stats()
    remade(sent.getvalue())
    taken: int = Image.core.get_stats()["allocated_blocks"] * Image.core.get_block_size()
    assert taken < 2.5 * 5000 * 5000 * 4  # with all of the small one that is made of it


def test_what_follows_a_photo_is_no_scan_of_it() -> None:
    """Telephones append a short film, or a second picture."""
    film = b"\xff\xda\0\x08film" * 10_000
    assert opened(remade(picture("JPEG", progressive=True, exif=b"Exif\0\0" + b"\xff\xda" * 400) + film)).size == (
        64,
        32,
    )
    assert opened(remade(_of_scans(30))).size == (1000, 1000)


@settings(max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_a_photo_with_bytes_cut_or_flipped_is_read_or_refused(data: st.DataObject, kind: str) -> None:
    sent = bytearray(picture(kind, (16, 16)))
    for _ in range(data.draw(st.integers(1, 5))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PayloadRefusedError):
        assert remade(bytes(sent[: data.draw(st.integers(1, len(sent)))])).startswith(b"\xff\xd8\xff")


async def test_a_photo_is_kept_by_its_content_once(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path / "photos", min_free_bytes=0)
    sent = picture("PNG")
    first, again = await store.make(sent), await store.make(sent)
    assert first == again
    for one in (first, again):
        await store.keep(one)
    photo = first.photo
    kept = (tmp_path / "photos" / photo.ref).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == photo.sha256
    assert photo.ref == f"{photo.sha256[:2]}/{photo.sha256}.jpg"
    assert [path.name for path in (tmp_path / "photos").rglob("*") if path.is_file()] == [f"{photo.sha256}.jpg"]


async def test_bytes_name_and_folder_are_on_disk_before_a_photo_counts_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace, fsync = os.replace, os.fsync

    def replaced(old: str, new: Path) -> None:
        replace(old, new)
        done.append("named")

    def synced(handle: int) -> None:
        fsync(handle)
        folders = {"the photo's": (tmp_path / made.photo.ref).parent, "all photos'": tmp_path}
        names = [name for name, folder in folders.items() if os.path.samestat(os.fstat(handle), folder.stat())]
        done.append(names[0] if names else "bytes")

    store = PhotoStore(tmp_path, min_free_bytes=0)
    made = await store.make(picture("PNG"))
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os, "fsync", synced)
    await store.keep(made)
    assert done == ["bytes", "named", "the photo's", "all photos'"]


async def test_a_photo_that_is_sent_again_is_as_young_as_the_report_it_was_sent_with(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path, min_free_bytes=0)
    made = await store.make(picture("PNG"))
    await store.keep(made)
    path = tmp_path / made.photo.ref
    os.utime(path, (0, 0))
    await store.keep(made)
    assert path.stat().st_mtime > 0, "or it would be erased with what is old"


async def test_without_room_a_photo_is_refused_for_now_and_leaves_nothing(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path / "photos", min_free_bytes=2**62)
    made = await store.make(picture("PNG"))
    with pytest.raises(PayloadRefusedError) as caught:
        await store.keep(made)
    assert caught.value.reason is Reason.BUSY
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_more_photos_than_may_wait_are_refused_before_they_are_read(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path, min_free_bytes=0)
    with contextlib.ExitStack() as held:
        for _ in range(15):
            held.enter_context(store.place(None))
        with store.place(None), pytest.raises(PayloadRefusedError) as caught, store.place(None):
            pass
        assert caught.value.reason is Reason.BUSY
        held.enter_context(store.place(None))


def test_a_stranger_who_sends_slowly_leaves_places_for_the_others(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path, min_free_bytes=0)
    with contextlib.ExitStack() as held:
        for _ in range(8):
            held.enter_context(store.place("203.0.113.9"))
        with pytest.raises(PayloadRefusedError) as caught:
            held.enter_context(store.place("203.0.113.9"))
        assert caught.value.reason is Reason.BUSY
        for _ in range(8):
            held.enter_context(store.place("203.0.113.10"))
    held.enter_context(store.place("203.0.113.9"))


def test_a_photo_that_is_done_makes_room_for_one_more_of_its_sender(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path, min_free_bytes=0)
    with contextlib.ExitStack() as held:
        for _ in range(7):
            held.enter_context(store.place("203.0.113.9"))
        with store.place("203.0.113.9"):
            pass
        held.enter_context(store.place("203.0.113.9"))
        with pytest.raises(PayloadRefusedError):
            held.enter_context(store.place("203.0.113.9"))


def test_a_photo_adds_to_the_reports_ticket_for_whoever_knows_its_key() -> None:
    photo = Photo(ref="ab/abc.jpg", sha256="a" * 64, sent_sha256="b" * 64)
    report = contact_id("report-form", "key-1")

    def added(key: str | None, to: str = str(report)) -> Any:
        return photo_contact(SOURCE, Channel.WEB, to, key, photo, NOW).contact

    made = added("key-1")
    assert made.ticket_id == report
    assert made.contact_id != report
    assert (made.attachments[0].kind, made.attachments[0].ref) == ("image", "ab/abc.jpg")
    assert added("key-1").contact_id == made.contact_id
    for wrong in (
        ("key-2", str(report)),
        (None, str(report)),
        ("key-1", str(contact_id("web-dev", "key-1"))),
        ("key-1", "x"),
    ):
        with pytest.raises(PayloadRefusedError):
            added(*wrong)
