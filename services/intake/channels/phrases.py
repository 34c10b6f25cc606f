"""Operators' keywords and texts of short conversations (``deploy/phrases.yaml``).

Decided here: that every language has every text and only known placeholders, and the language of a text as far as its
script tells. Never here: what a conversation needs next (``conversation``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.contracts.ids import parse_ticket_ref
from services.contracts.languages import LAST_RESORT, lookup
from services.contracts.values import Language, Word

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_LONGEST_BYTES: Final = 2000
"""WeChat cuts a passive reply off at 2,048 bytes (measured by others; no official figure)."""
_STANDING: Final = "(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])"
_LATIN_WORD: Final = re.compile(r"[A-Za-z]{3}")
_SEPARATORS: Final = str.maketrans("", "", " -\t\r\n")


class Prompt(StrEnum):
    """What a citizen is told next."""

    WELCOME = "welcome"
    ASK_PLACE = "ask_place"
    """An outage, and nobody knows where."""
    ASK_PLACE_IN_WORDS = "ask_place_in_words"
    """The same in a text message, which carries no position. A file of before has none and says ``ASK_PLACE``."""
    ASK_MATTER = "ask_matter"
    """A place or a picture, and nobody knows what is the matter."""
    REPORT_KEPT = "report_kept"
    """An outage and its place: nothing more is needed."""
    KEPT = "kept"
    """Another matter: people will read it."""
    ADDED = "added"
    """One more message about the same matter."""
    STOPPED = "stopped"
    STARTED = "started"
    STATUS = "status"


_WITH_REF: Final = frozenset(Prompt) - {Prompt.WELCOME, Prompt.STOPPED, Prompt.STARTED, Prompt.STATUS}


class Command(StrEnum):
    """What a message is that says nothing else."""

    OUT = "out"
    STATUS = "status"
    STOP = "stop"
    START = "start"


_REFERENCE: Final = re.compile(r"[\s:,]*(?:工[单單][号號]?|reference|ref)?[\s:,]*([0-9a-z].{9,20})")
"""A reference, also as it stands in what we write: 工单号7K3M-9QPX-2HR. Whatever else is said is for a person."""


def plain(text: str) -> str:
    """Return text without case, width and surrounding marks, to be compared."""
    return unicodedata.normalize("NFKC", text).casefold().strip(" \t\r\n.。!！?？,，")


def _plain_words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain(word) for word in words)


def _pattern(value: str) -> str:
    for expression in (value, _STANDING.format(value)):
        try:
            re.compile(expression)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression, or one with flags such as (?i): {error}") from None
    return value


Words = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=60)], ...],
    Field(max_length=200),
    AfterValidator(_plain_words),
]


class Phrases(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal["1"]
    fault_type: Word = "fault_report"
    account_number: Annotated[str, StringConstraints(max_length=200), AfterValidator(_pattern)]
    """What an account number is like; it counts where nothing of its kind stands on either side."""
    outage: Words
    """Found anywhere in a message, they say that power is out. In Latin letters they must stand alone."""
    commands: Mapping[Command, Words]
    """A message that is one of these and nothing else."""
    default_language: Language = LAST_RESORT
    traditional: Annotated[str, StringConstraints(max_length=400)] = ""
    """Characters that only traditional script has."""
    languages: Mapping[Language, Mapping[Prompt, Annotated[str, StringConstraints(min_length=1)]]]

    @model_validator(mode="after")
    def _every_text_can_be_said(self) -> Self:
        if self.default_language not in self.languages:
            raise ValueError(f"languages: has no {self.default_language}, the default")
        for language, texts in self.languages.items():
            missing = [prompt for prompt in Prompt if prompt not in {*texts, Prompt.ASK_PLACE_IN_WORDS}]
            if missing:
                raise ValueError(f"languages.{language}: lacks {', '.join(missing)}")
            for prompt, text in texts.items():
                unknown = set(_PLACEHOLDER.findall(text)) - ({"ref"} if prompt in _WITH_REF else set())
                if unknown or "{" in _PLACEHOLDER.sub("", text):
                    raise ValueError(f"languages.{language}.{prompt}: has a placeholder that is not {{ref}}")
                if len(text.encode()) > _LONGEST_BYTES:
                    raise ValueError(f"languages.{language}.{prompt}: is longer than {_LONGEST_BYTES} bytes")
        return self

    def say(self, prompt: Prompt, language: str, ref: str = "") -> str:
        """Return a text; in the default language where there is none in ``language`` nor a shorter form of it."""
        texts = self.languages[lookup(language, self.languages) or self.default_language]
        said = texts.get(prompt) or texts[Prompt.ASK_PLACE]
        return said.replace("{ref}", ref)

    def language_in(self, text: str, otherwise: str) -> str | None:
        """Return the language that the script of a text tells; None where it tells none.

        Han characters tell the script only where one is of the traditional script alone; Latin letters without any
        Han are taken for English, but no word of two: TD, CX and OK are written in every language.
        """
        if any(char in self.traditional for char in text) and "zh-Hant" in self.languages:
            return "zh-Hant"
        for char in text:
            name = unicodedata.name(char, "").partition(" ")[0]
            language = _SCRIPTS.get(name)
            if language in self.languages:
                return str(language)
            if name == "CJK":
                return otherwise if otherwise.startswith("zh") else self.default_language
        return "en" if _LATIN_WORD.search(text) and "en" in self.languages else None

    def says_outage(self, text: str) -> bool:
        """Whether a message says that power is out."""
        found = plain(text)
        return any(_stands_in(word, found) for word in self.outage)

    def command(self, text: str) -> Command | None:
        """Return what a message that is one keyword asks for."""
        found = plain(text)
        return next((command for command, words in self.commands.items() if found in words), None)

    def asked_ref(self, text: str) -> str | None:
        """Return the reference whose status a message asks for: a word that asks, a reference, nothing else."""
        found = plain(text)
        for word in self.commands.get(Command.STATUS, ()):
            named = _REFERENCE.fullmatch(found.removeprefix(word)) if found.startswith(word) else None
            if named is not None:
                with suppress(ValueError):
                    return parse_ticket_ref(named[1])
        return None

    def asks(self, text: str) -> tuple[Command | None, str | None]:
        """Return what a message that says nothing else asks for, and the reference if it asks about one."""
        ref = self.asked_ref(text)
        return (self.command(text) if ref is None else Command.STATUS), ref

    def account(self, text: str) -> str | None:
        """Return the account number in a message: the first, or all of it where only its spacing is unusual."""
        wide = unicodedata.normalize("NFKC", text)
        close = wide.translate(_SEPARATORS)
        if re.fullmatch(self.account_number, close):
            return close
        found = re.search(_STANDING.format(self.account_number), wide)
        return found.group() if found else None


_SCRIPTS: Final = {"TIBETAN": "bo-CN", "ARABIC": "ug-Arab-CN", "MONGOLIAN": "mn-Mong-CN", "HANGUL": "ko-CN"}


def _stands_in(word: str, text: str) -> bool:
    if not word.isascii():
        return word in text
    return re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) is not None
