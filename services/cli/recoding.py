"""Text files in another encoding, converted to UTF-8 before anything reads them.

Decided here: a file that is valid UTF-8 stays as it is, whatever encoding was given. Never here: guessing the
encoding: the bytes of most encodings are also valid in most others.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from services.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from pathlib import Path


def in_utf8(path: Path, encoding: str, folder: Path) -> Path:
    """Return ``path``, or a copy of it in the new ``folder`` if it is not UTF-8; its lines keep their numbers.

    Raises:
        CommandError: the encoding is not known, or the file is not in it.
    """
    try:
        " ".encode(encoding)
        if _fault(path, "utf-8") is None:
            return path
        fault = _fault(path, encoding)
    except LookupError:
        raise CommandError(f"--encoding {encoding}: not known", "gb18030, big5, utf-16 are.", Exit.USAGE) from None
    except OSError:
        return path  # whoever reads it says so, beside everything else
    if fault is not None:
        advice = "Say the encoding that the file was written in, or save it as UTF-8."
        raise CommandError(f"nothing was imported:\n{path.name}:{fault}", advice)
    folder.mkdir()
    made = folder / path.name
    with path.open(encoding=encoding, newline="") as read, made.open("w", encoding="utf-8", newline="") as written:
        written.writelines(read)
    return made


def _fault(path: Path, encoding: str) -> str | None:
    """Return the line and the reason where a file stops being text in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 0
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, start=1):  # noqa: B007 - told if this line fails
                decoder.decode(raw)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        return f"{line}: is not {encoding}: {error.reason if isinstance(error, UnicodeDecodeError) else error}"
    return None
