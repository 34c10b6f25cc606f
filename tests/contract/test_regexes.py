"""No regex takes for good what it may have to take back: Python before 3.11.5 matches such wrongly (CPython 106052)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from re import _constants as words  # type: ignore[attr-defined]  # where the parts of a pattern are named
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

import services

ROOT = Path(services.__file__).parent
_TAKEN_BACK = frozenset({words.MAX_REPEAT, words.MIN_REPEAT})
_FOR_GOOD = frozenset({words.POSSESSIVE_REPEAT, words.ATOMIC_GROUP})
_MARKED = re.compile(r"[*+?}]\+|\(\?>")


def parts(found):
    """Every operation of a parsed pattern with its argument, those within others too."""
    if isinstance(found, parser.SubPattern):
        for op, argument in found:
            yield op, argument
            yield from parts(argument)
    elif isinstance(found, list | tuple):
        for one in found:
            yield from parts(one)


def _gives_back(inside) -> bool:
    return any(op in _TAKEN_BACK and argument[0] != argument[1] for op, argument in parts(inside)) or any(
        op is words.BRANCH and after < len(sequence) - 1
        for sequence in sequences(inside)
        for after, (op, _) in enumerate(sequence)
    )


def sequences(found):
    """Every run of operations in a parsed pattern, one after another."""
    if isinstance(found, parser.SubPattern):
        yield list(found)
        for _, argument in found:
            yield from sequences(argument)
    elif isinstance(found, list | tuple):
        for one in found:
            yield from sequences(one)


def is_wrong(pattern: str | bytes) -> bool:
    """Whether a possessive quantifier or an atomic group holds what can be matched in less or another way."""
    try:
        found = parser.parse(pattern)
    except re.error:
        return False  # a text, and no pattern
    return any(op in _FOR_GOOD and _gives_back(argument) for op, argument in parts(found))


def texts(path: Path):
    """Texts of a module that may be such a pattern, with their lines."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if _MARKED.search(text):
                yield node.lineno, node.value


def test_no_regex_takes_for_good_what_it_might_have_to_take_back():
    found = [(path, line, text) for path in sorted(ROOT.rglob("*.py")) for line, text in texts(path)]
    assert len(found) >= 2, "the search finds those that are right"
    wrong = [f"{path.relative_to(ROOT)}:{line}: {text!r}" for path, line, text in found if is_wrong(text)]
    assert wrong == []


@pytest.mark.parametrize("pattern", ["(?:ab?c)++", "(?>a+b)", "(?:a|ab)c(?:x*y)*+", "(?>(?:a|ab)c)", "(?:(?:a|ab)c)++"])
def test_what_gives_back_within_is_found(pattern):
    assert is_wrong(pattern)


@pytest.mark.parametrize("pattern", ["[^a]++b", "(?:[^a]++|b.)*+", "(?>abc)", "(?:a{3})++", "(?:ab?c)+", "(?:x"])
def test_what_gives_nothing_back_is_not(pattern):
    assert not is_wrong(pattern)
