"""Values that are made by the hundred thousand.

Decided here: how their immutability is kept: by the type checker, not while running. A frozen dataclass goes through
``object.__setattr__`` for each field it is made with, which was a tenth of what routing a contact took.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False) -> Callable[[type[C]], type[C]]:
    """Make a class a dataclass with slots that mypy holds to be frozen; equal and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
