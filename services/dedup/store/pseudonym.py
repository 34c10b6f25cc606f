"""What stands for the account of a customer whose data was erased: told from others, and by nobody told whose.

Decided here: that one account has one, in every incident. Figures count homes, so they must know the same home again:
with the accounts simply gone, those of past years would change. It is a digest with a key of this database's own; it
takes both the database and a list of accounts to find out whose it was.
"""

from __future__ import annotations

from typing import Final

_MARK: Final = "erased:"


def pseudonym_of(column: str) -> str:
    """Return SQL for what stands for the account in a column, of one already erased the same; NULL for none."""
    digest = f"encode(sha256(convert_to((SELECT secret FROM pseudonym) || {column}, 'UTF8')), 'hex')"  # noqa: S608 - a column's name
    return f"CASE WHEN {column} LIKE '{_MARK}%' THEN {column} ELSE '{_MARK}' || left({digest}, 32) END"
