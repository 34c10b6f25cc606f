"""Whether a message's schema may follow a released one. Pure.

The rule of the contract: fields are added, optional; nothing else. What we read must still be readable as it was
released; what others read must still have what it always had. New words in an enumeration are allowed: readers are
told to expect them. A change that cannot be shown to be safe counts as a break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_FORMS = ("pattern", "format", "multipleOf", "propertyNames", "uniqueItems")


def breaks(released: Schema, current: Schema, *, others_read: bool) -> list[str]:
    """Return what in ``current`` breaks those who rely on ``released``, each with the path of its field.

    Args:
        released: JSON Schema of the message as released.
        current: As it is now.
        others_read: Whether another company reads it, so that what was always there must stay there.
    """
    return [f"{path or 'message'}: {why}" for path, why in _Comparison(released, current, others_read).nodes()]


class _Comparison:
    def __init__(self, released: Schema, current: Schema, others_read: bool) -> None:
        self._released = released
        self._current = current
        self._others_read = others_read

    def nodes(self) -> Iterator[tuple[str, str]]:
        yield from self._node("", self._released, self._current)

    def _node(self, path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        if old.get("default") != new.get("default") and "default" in old:
            yield path, "its default changed, so a record without it means something else"
        old, new = _resolve(old, self._released), _resolve(new, self._current)
        if "anyOf" in old or "anyOf" in new:
            yield from self._branches(path, old, new)
            return
        if old.get("type") != new.get("type") and not (old.get("type") == "integer" and new.get("type") == "number"):
            yield path, f"its type was {old.get('type', 'any')} and is {new.get('type', 'any')}"
            return
        if self._others_read and old.get("type") != new.get("type"):
            yield path, "readers who take whole numbers would meet fractions"
        yield from self._values(path, old, new)
        yield from self._fields(path, old, new)
        for inner in ("items", "additionalProperties"):
            if isinstance(new.get(inner), dict):
                yield from self._node(f"{path}[]", old.get(inner, {}) or {}, new[inner])

    def _branches(self, path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        now = new.get("anyOf", [new])
        for branch in old.get("anyOf", [old]):
            if all(any(self._node(path, branch, candidate)) for candidate in now):
                yield path, "a kind of value it could have is gone"
        if self._others_read:
            before = old.get("anyOf", [old])
            if any(all(any(self._node(path, candidate, branch)) for candidate in before) for branch in now):
                yield path, "it may have a kind of value that readers do not know"

    def _values(self, path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        words = _words(new)
        if words is not None:
            gone = None if _words(old) is None else sorted(_words(old) - words, key=str)
            if gone is None:
                yield path, "only some values are left"
            elif gone:
                yield path, f"{', '.join(map(str, gone))} is no longer a value of it"
        for bound in _LOWER_BOUNDS:
            if bound in new and new[bound] > old.get(bound, float("-inf")) and not _vacuous(bound, new[bound]):
                yield path, f"{bound} was {old.get(bound, 'absent')} and is {new[bound]}"
        for bound in _UPPER_BOUNDS:
            if bound in new and new[bound] < old.get(bound, float("inf")):
                yield path, f"{bound} was {old.get(bound, 'absent')} and is {new[bound]}"
        for form in _FORMS:
            if form in new and new[form] != old.get(form):
                yield path, f"{form} was {old.get(form, 'absent')} and is {new[form]}"

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        before, now = old.get("properties", {}), new.get("properties", {})
        must_before, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            where = f"{path}.{name}".lstrip(".")
            if name not in now:
                yield where, "the field is gone"
                continue
            if name in must_now - must_before:
                yield where, "it became required: records that were released do not all have it"
            if name in must_before - must_now and self._others_read:
                yield where, "it may be absent now: readers rely on it"
            yield from self._node(where, before[name], now[name])
        for name in sorted(must_now - before.keys()):
            yield f"{path}.{name}".lstrip("."), "a new field must be optional"


def _resolve(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        found: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _words(node: Schema) -> set[Any] | None:
    if "const" in node:
        return {node["const"]}
    return set(node["enum"]) if "enum" in node else None


def _vacuous(bound: str, value: float) -> bool:
    return bound in {"minLength", "minItems", "minProperties"} and value <= 0
