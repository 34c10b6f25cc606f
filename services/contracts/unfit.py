"""Why a field is invalid, in JSON's terms: senders know no tuples, dictionaries or instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_JSON: Final = {
    **dict.fromkeys(("tuple_type", "frozen_set_type", "set_type", "list_type"), "must be a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "dataclass_type"), "must be an object"),
}


def why(fault: Mapping[str, Any]) -> str:
    """Return the reason of one of a pydantic error's ``errors()``."""
    return _IN_JSON.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
