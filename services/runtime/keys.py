"""Whose a key is, found in the same time whether and where it stands: how every room compares credentials."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


def owner_of(known: Iterable[tuple[bytes, T]], shown: bytes) -> T | None:
    """Return whom a digest belongs to; every one is compared, whichever fits.

    Args:
        known: Digests with their owners.
        shown: Digest of what was presented.
    """
    found: T | None = None
    for digest, owner in known:
        if hmac.compare_digest(digest, shown):
            found = owner
    return found
