"""The operators' words, and what they make of one text.

Decided here: what is found in it of danger, faults, business types, account numbers and urging, what is denied or over,
and what it sounds like where no word is found. Never here: what the ticket is about (``classify``), or the words
themselves (operators' data).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from services.router.domain.likeness import Heard, Likeness, likest
from services.router.domain.words import Lexicon, Misheard, WordList, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from services.router.domain.language import Tongues
    from services.router.domain.words import Script

OUTAGE: Final = "outage"
"""The kind of fault that is reported for merging."""
REPORTED_DANGER: Final = "reported_danger"
"""Hazard word of the channel's own danger choice, where the words do not say which danger it is."""
DANGER: Final = "danger"
"""What a text sounds like that a person of the emergency desk looks at first."""
NO_BUSINESS: Final = "none"
"""What a text sounds like that wants nothing of the hotline: thanks, wrong numbers."""
_DIGIT: Final = re.compile("[0-9]")


class Reading(NamedTuple):
    """What the operators' words make of one text.

    Attributes:
        plain: The text in the form words are looked for in.
        hazards: Dangers it names, sorted.
        named: Business type and the word that named it, by the first rule that holds.
        types: How many business types have words in it: more than one is a doubt.
        fault: The first kind of fault and the word that named it.
        says_outage: It says that power is out.
        only_mine: It says that it is only their own premises.
        account: The account number written in it; None if there is none, or more than one to choose from.
        rest: The text without account numbers, as ``plain``.
        urges: It asks to hurry.
        past_danger: It claims for something, gives thanks for it or says that it was long ago: a danger in it is over.
        suspected: What of it sounds like danger though it names none; None if nothing does.
    """

    plain: str
    hazards: tuple[str, ...]
    named: tuple[str, str] | None
    types: int
    fault: tuple[str, str] | None
    says_outage: bool
    only_mine: bool
    account: str | None
    rest: str
    urges: bool
    past_danger: bool
    suspected: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Denials:
    """How people say that there is no danger ("没有着火"), and the words that make it a doubt after all.

    A doubt anywhere in the text ("差点没", "有没有") keeps every danger in it; so does the past: when unsure, danger.
    """

    words: WordList = field(default_factory=lambda: WordList(()))
    doubts: WordList = field(default_factory=lambda: WordList(()))

    def heard_out(self, text: str) -> str:
        """Return a normalised text without the dangers it surely denies."""
        if self.words.find(text) is None or self.doubts.find(text) is not None:
            return text
        return self.words.blanked(text)


@dataclass(frozen=True, slots=True, eq=False)
class Keywords:
    """The operators' words (``classify.yaml``), ready to be looked for.

    Attributes:
        business_types: Every business type with its name.
        rules: Business type and its words; the first whose words are found decides.
        fault_type: The business type that means something is broken.
        faults: Kind of fault and its words, ``outage`` first; the rule of ``fault_type`` holds for these too.
        hazards: Hazard and its words; every one found counts.
        only_mine: How people say that it is only their own premises.
        default_type: Business type where nothing else decides.
        languages: The languages a script stands for.
        default_language: Where the text says nothing.
        accounts: How people write an account number into a text, the number as group 1; None if it is not looked for.
        urges: How people ask to hurry (催办).
        unurgent: Business types that such words do not turn into an urge of something else.
        denials: How people say that there is no danger.
        past_danger: How people speak of a danger that is over.
        misheard: What speech recognition makes of words of these lists.
        suspicion: What sounds like danger where no word of these lists names one.
        likeness: What business types, kinds of fault and ``NO_BUSINESS`` sound like where no word of these lists says
            what is wanted.
    """

    business_types: Mapping[str, str]
    rules: tuple[tuple[str, WordList], ...]
    fault_type: str
    faults: tuple[tuple[str, WordList], ...]
    hazards: tuple[tuple[str, WordList], ...]
    only_mine: WordList
    default_type: str
    languages: Mapping[Script, Tongues]
    default_language: str
    accounts: re.Pattern[str] | None = None
    urges: WordList = field(default_factory=lambda: WordList(()))
    unurgent: frozenset[str] = frozenset()
    denials: Denials = field(default_factory=Denials)
    past_danger: WordList = field(default_factory=lambda: WordList(()))
    misheard: Misheard = field(default_factory=lambda: Misheard({}))
    suspicion: Likeness = field(default_factory=Likeness)
    likeness: Mapping[str, Likeness] = field(default_factory=dict)
    lexicon: Lexicon = field(init=False)
    dangers: frozenset[WordList] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the one pass over a text."""
        object.__setattr__(self, "dangers", frozenset(words for _, words in self.hazards))
        lists = [words for _, words in (*self.rules, *self.faults, *self.hazards)]
        lists += [self.only_mine, self.urges, self.denials.words, self.past_danger, self.misheard.words]
        object.__setattr__(self, "lexicon", Lexicon(lists))

    @property
    def hazard_words(self) -> frozenset[str]:
        """Every hazard a ticket can have, the channel's own danger choice included."""
        return frozenset({REPORTED_DANGER, *(hazard for hazard, _ in self.hazards)})

    def read(self, text: str) -> Reading:
        """Return what these words make of a text. Texts repeat within a batch and in a storm: the last are kept."""
        return _read(self, text)

    def sounds_like(self, text: str) -> Heard | None:
        """Return the business type or kind of fault that a text sounds like, and why; None if it sounds like none.

        Where it is not sure, only that something is broken is told, not what.
        """
        plain = by_message(text)
        heard = likest(self.likeness, _unexplained(plain, (*self.rules, *self.faults), self.lexicon.candidates(plain)))
        if (
            heard is None
            or heard.meaning == NO_BUSINESS
            or not (heard.sure or heard.meaning not in self.business_types)
        ):
            return None
        return heard


@lru_cache(maxsize=4096)
def _read(keywords: Keywords, text: str) -> Reading:
    plain = written = normalise(text)
    numbers: set[str] = set()
    rest = plain
    if keywords.accounts is not None and _DIGIT.search(plain) is not None:
        numbers.update(keywords.accounts.findall(text))
        rest = normalise(keywords.accounts.sub(" ", text)) if numbers else plain
    likely = keywords.lexicon.candidates(plain)
    if keywords.misheard.words in likely:
        plain = keywords.misheard.put_right(plain)
        likely = keywords.lexicon.candidates(plain)

    def found(words: WordList, where: str = plain) -> str | None:
        return words.find(where, likely[words] if where is plain else None) if words in likely else None

    hazards: tuple[str, ...] = ()
    if not keywords.dangers.isdisjoint(likely):
        danger = keywords.denials.heard_out(plain) if keywords.denials.words in likely else plain
        named_dangers = ((name, words) for name, words in keywords.hazards if words in likely)
        hazards = tuple(sorted(name for name, words in named_dangers if found(words, danger) is not None))
    fault = next(((kind, word) for kind, words in keywords.faults if (word := found(words)) is not None), None)
    if fault is None and "\n" in text:
        fault = _told_alone(keywords, text)
    named: dict[str, str] = {}
    for business_type, words in keywords.rules:
        if words in likely and (word := found(words)) is not None:
            named.setdefault(business_type, word)
        elif business_type == keywords.fault_type and fault is not None:
            named.setdefault(business_type, fault[1])
    return Reading(
        plain=plain,
        hazards=hazards,
        named=next(iter(named.items()), None),
        types=len(named),
        fault=fault,
        says_outage=fault is not None
        and (fault[0] == OUTAGE or any(kind == OUTAGE and found(words) is not None for kind, words in keywords.faults)),
        only_mine=found(keywords.only_mine) is not None,
        account=numbers.pop() if len(numbers) == 1 else None,
        rest=rest,
        urges=found(keywords.urges, rest) is not None,
        past_danger=found(keywords.past_danger) is not None,
        suspected=None if hazards else _suspected(keywords, by_message(text) if "\n" in text else written, likely),
    )


def _suspected(keywords: Keywords, text: str, likely: Collection[WordList]) -> tuple[str, ...] | None:
    """Return what sounds like danger, what is denied and what the lists know to be harmless apart."""
    if keywords.denials.words in likely:
        text = keywords.denials.heard_out(text)
    return keywords.suspicion.heard_in(_unexplained(text, keywords.hazards, likely))


def _unexplained(text: str, lists: Iterable[tuple[str, WordList]], likely: Collection[WordList]) -> str:
    """Return a normalised text without what lists know to mean nothing (嗓子冒烟, 现在来电了, 路灯不亮)."""
    for _, words in lists:
        if words in likely:
            text = words.without_ignored(text)
    return text


def by_message(text: str) -> str:
    """Return a text as ``normalise`` does, with a line end between messages."""
    return "\n".join(map(normalise, text.split("\n")))


def _told_alone(keywords: Keywords, text: str) -> tuple[str, str] | None:
    """Return the fault that is all one of several messages says: 停了 after a greeting is 停了."""
    messages = tuple(map(normalise, text.split("\n")))
    for kind, words in keywords.faults:
        for message in messages:
            if (word := words.told_alone(message)) is not None:
                return kind, word
    return None
