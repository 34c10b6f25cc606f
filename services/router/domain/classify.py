"""What a customer wants, from their choice on the channel or from their words.

Decided here: business type, kind of fault, hazards, language, "only my house", and priority, each with the reason word
that the log, the metric and the message carry. Danger is always looked for, whatever the channel, the chosen type or
the language. Never here: the words themselves (operators' data), a queue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.frozen import frozen
from services.contracts.values import CustomerClass, Priority
from services.router.domain.language import Tongues, hear
from services.router.domain.likeness import Likeness, likest
from services.router.domain.words import Lexicon, Misheard, Script, WordList, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

OUTAGE: Final = "outage"
"""The kind of fault that is reported for merging."""
REPORTED_DANGER: Final = "reported_danger"
"""Hazard word of the channel's own danger choice, where the words do not say which danger it is."""
DANGER: Final = "danger"
"""What a text sounds like that a person of the emergency desk looks at first."""
NO_BUSINESS: Final = "none"
"""What a text sounds like that wants nothing of the hotline: thanks, wrong numbers."""


_DIGIT: Final = re.compile("[0-9]")
_ONE_TYPE: Final = 0.9
_SEVERAL_TYPES: Final = 0.6
_LIKELY: Final = 0.5
SURE: Final = 0.5
"""From this confidence on, a language counts as told."""
_ON_FILE: Final = 0.6
_ASSUMED: Final = 0.3


class TypeRule(StrEnum):
    """What decided the business type."""

    CHANNEL_CHOICE = "channel_choice"
    KEYWORD = "keyword"
    HAZARD = "hazard"
    """Nothing but a danger was named: somebody must go, so it is a fault."""
    LIKENESS = "likeness"
    """No word of a list was found: it sounds like this most."""
    DEFAULT = "default"


class LanguageRule(StrEnum):
    """What decided the language."""

    CHANNEL_CHOICE = "channel_choice"
    SCRIPT = "script"
    """Its letters are those of one language."""
    DETECTED = "detected"
    """Its letters are shared by several; a detector told."""
    UNSURE = "unsure"
    """Its letters are shared by several, and nothing told."""
    CUSTOMER = "customer"
    """What the customer's file says, where there is nothing to read."""
    DEFAULT = "default"


class PriorityRule(StrEnum):
    """What decided the priority, before the route tree raises it."""

    HAZARD = "hazard"
    LIFE_SUPPORT = "life_support"
    IMPORTANT = "important"
    OUTAGE = "outage"
    VIP = "vip"
    DEFAULT = "default"


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

    def sounds_like(self, text: str) -> tuple[str, tuple[str, ...]] | None:
        """Return the business type or kind of fault that a text sounds like, and why; None if it sounds like none."""
        plain = by_message(text)
        heard = likest(self.likeness, _unexplained(plain, (*self.rules, *self.faults), self.lexicon.candidates(plain)))
        return None if heard is None or heard[0] == NO_BUSINESS else heard


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


@frozen(kw_only=True)
class Classification:
    """What a ticket is about, with the reasons."""

    business_type: str
    type_rule: TypeRule
    words: tuple[str, ...] = ()
    """The keywords that decided business type and fault, as found."""
    fault: str | None = None
    hazards: tuple[str, ...] = ()
    suspected: tuple[str, ...] | None = None
    """What sounds like danger where no hazard is named: a person looks at once, and no crew is sent by it."""
    language: str
    language_rule: LanguageRule
    single_premise: bool = False
    confidence: float = 1.0
    """How sure business type and fault are, from 0 (nothing said) to 1 (chosen)."""
    language_confidence: float = 1.0

    @property
    def is_outage(self) -> bool:
        """Whether the ticket claims that power is out, rather than bad, wrongly metered or only asked about."""
        return self.fault == OUTAGE

    @property
    def is_inferred(self) -> bool:
        """Whether no word says what the ticket is about: it only sounds like that."""
        return self.type_rule is TypeRule.LIKENESS

    @property
    def may_be_danger(self) -> bool:
        """Whether a danger is named or suspected: a person looks at once."""
        return bool(self.hazards) or self.suspected is not None


def classify(
    keywords: Keywords,
    *,
    choice: str | None,
    language: str | None,
    customer_language: str | None,
    text: str,
    hazards: Collection[str],
    single_premise: bool,
) -> Classification:
    """Give a ticket its meaning.

    Args:
        keywords: The operators' words.
        choice: Business type the customer chose on the channel; one that is not in the data counts as none.
        language: BCP 47 tag the customer chose on the channel.
        customer_language: BCP 47 tag in the customer's file.
        text: All the customer wrote or said, as it came.
        hazards: Hazards found so far; they are never taken back.
        single_premise: The customer chose "only my home" on the channel.
    """
    return _classify(keywords, choice, language, customer_language, text, tuple(sorted(hazards)), single_premise)


@lru_cache(maxsize=4096)  # deciding a contact asks two or three times, and people say much the same
def _classify(
    keywords: Keywords,
    choice: str | None,
    language: str | None,
    customer_language: str | None,
    text: str,
    hazards: tuple[str, ...],
    single_premise: bool,  # noqa: FBT001 - what was chosen, not a switch
) -> Classification:
    reading = keywords.read(text)
    found: list[str] = []
    # A fault that does not say what it is, is an outage: most are, and the crew finds out.
    kind, word = reading.fault or (OUTAGE, None)
    business_type, type_rule, confidence = keywords.default_type, TypeRule.DEFAULT, 0.0
    if choice is not None and choice in keywords.business_types:
        business_type, type_rule, confidence = choice, TypeRule.CHANNEL_CHOICE, 1.0
    elif reading.named is not None:
        business_type, type_rule = reading.named[0], TypeRule.KEYWORD
        confidence = _ONE_TYPE if reading.types == 1 else _SEVERAL_TYPES
        found.append(reading.named[1])
    elif hazards:
        business_type, type_rule, confidence = keywords.fault_type, TypeRule.HAZARD, _ONE_TYPE
    elif (like := keywords.sounds_like(text)) is not None:
        meaning, pieces = like
        business_type, kind = (meaning, kind) if meaning in keywords.business_types else (keywords.fault_type, meaning)
        type_rule, confidence = TypeRule.LIKENESS, _LIKELY
        found += pieces
    fault: str | None = None
    if business_type == keywords.fault_type:
        fault = kind
        if word is not None and word not in found:
            found.append(word)
    if hazards and (fault is not None or not reading.past_danger):
        fault = OUTAGE  # a crew goes at once, whatever else is wrong and however it is told, as a question too
    known = bool(reading.types or reading.fault or reading.hazards)
    spoken, language_rule, language_confidence = _language(keywords, language, customer_language, text, known=known)
    return Classification(
        business_type=business_type,
        type_rule=type_rule,
        words=tuple(found),
        fault=fault,
        hazards=hazards,
        suspected=None if hazards else reading.suspected,
        language=spoken,
        language_rule=language_rule,
        single_premise=single_premise or reading.only_mine,
        confidence=confidence,
        language_confidence=language_confidence,
    )


def _language(
    keywords: Keywords, choice: str | None, customer_language: str | None, text: str, *, known: bool
) -> tuple[str, LanguageRule, float]:
    if choice is not None:
        return choice, LanguageRule.CHANNEL_CHOICE, 1.0
    heard = hear(text, keywords.languages, known=known)
    if heard is not None and heard.tag is None:
        return customer_language or keywords.default_language, LanguageRule.UNSURE, heard.confidence
    if heard is not None and heard.tag is not None:
        if heard.confidence >= SURE:
            rule = LanguageRule.DETECTED if heard.detected else LanguageRule.SCRIPT
            return heard.tag, rule, heard.confidence
        return heard.tag, LanguageRule.UNSURE, heard.confidence
    if customer_language is not None:
        return customer_language, LanguageRule.CUSTOMER, _ON_FILE
    return keywords.default_language, LanguageRule.DEFAULT, _ASSUMED


URGENCY: Final = tuple(Priority)
"""Priorities, most urgent first."""


def more_urgent(one: Priority, other: Priority) -> Priority:
    """Return the more urgent of two priorities."""
    return min(one, other, key=URGENCY.index)


def priority_of(classification: Classification, customer_class: CustomerClass) -> tuple[Priority, PriorityRule]:
    """Return how urgent a ticket is, and why: danger, then who depends on the power, then whether it is out."""
    if classification.hazards:
        return Priority.EMERGENCY, PriorityRule.HAZARD
    if customer_class is CustomerClass.LIFE_SUPPORT:
        return Priority.URGENT, PriorityRule.LIFE_SUPPORT
    if customer_class is CustomerClass.IMPORTANT:
        return Priority.URGENT, PriorityRule.IMPORTANT
    if classification.is_outage:
        return Priority.HIGH, PriorityRule.OUTAGE
    if customer_class is CustomerClass.VIP:
        return Priority.HIGH, PriorityRule.VIP
    return Priority.NORMAL, PriorityRule.DEFAULT
