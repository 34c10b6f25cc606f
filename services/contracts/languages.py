"""Which of the languages there are somebody gets: RFC 4647 §3.4, lookup. What texts there are is operators' data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LAST_RESORT: Final = "zh-Hans-CN"
"""The language everyone gets whose own is not there; so every file of texts must have it."""


def lookup(tag: str, known: Iterable[str]) -> str | None:
    """Return the known language of a tag, else of ever shorter forms of it (``bo-CN``, then ``bo``); None without any.

    Args:
        tag: BCP 47, in any case.
        known: The tags there are, each as it is to be returned.
    """
    by_form = {one.lower(): one for one in known}
    parts = tag.lower().split("-")
    for length in range(len(parts), 0, -1):
        found = by_form.get("-".join(parts[:length]))
        if found is not None:
            return found
    return None
