"""What a customer wants, from their choice on the channel or from their words.

Decided here: business type, kind of fault, hazards, language, "only my house", and priority, each with the reason word
that the log, the metric and the message carry. Danger is always looked for, whatever the channel, the chosen type or
the language. Never here: how a text is read (``reading``), a queue.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from services.contracts.frozen import frozen
from services.contracts.values import CustomerClass, Priority
from services.router.domain.language import hear
from services.router.domain.reading import OUTAGE

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.router.domain.reading import Keywords

_ONE_TYPE: Final = 0.9
_SEVERAL_TYPES: Final = 0.6
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
    kind: str | None
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
        if like.meaning in keywords.business_types:
            business_type = like.meaning
        else:
            business_type, kind = keywords.fault_type, like.meaning if like.sure else None
        type_rule, confidence = TypeRule.LIKENESS, round(like.certainty, 2)
        found += like.pieces
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
