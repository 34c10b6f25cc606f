"""What a customer wants, from their choice on the channel or from their words.

Decided here: business type, kind of fault, hazards, language, "only my house", and priority, each with the reason
word that the log, the metric and the message carry. Danger is looked for always: whatever the channel, the chosen type
or the language. Never here: the words themselves (operators' data), a queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts.values import CustomerClass, Priority
from services.router.domain.words import Script, WordList, normalise, script_of

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Mapping

OUTAGE: Final = "outage"
"""The kind of fault that is reported for merging."""
REPORTED_DANGER: Final = "reported_danger"
"""Hazard word of the channel's own danger choice, where the words do not say which danger it is."""


class TypeRule(StrEnum):
    """What decided the business type."""

    CHANNEL_CHOICE = "channel_choice"
    KEYWORD = "keyword"
    HAZARD = "hazard"
    """Nothing but a danger was named: somebody must go, so it is a fault."""
    DEFAULT = "default"


class LanguageRule(StrEnum):
    """What decided the language."""

    CHANNEL_CHOICE = "channel_choice"
    SCRIPT = "script"
    CUSTOMER = "customer"
    """What the customer's file says, where there is nothing to read."""
    DEFAULT = "default"


class PriorityRule(StrEnum):
    """What decided the priority, before the route tree raises it."""

    HAZARD = "hazard"
    LIFE_SUPPORT = "life_support"
    IMPORTANT = "important"
    OUTAGE = "outage"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
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
        languages: The language a script stands for.
        default_language: Where the text says nothing.
        accounts: How people write an account number into a text, the number as group 1; None if it is not looked for.
        urges: How people ask to hurry (催办).
        unurgent: Business types that such words do not turn into an urge of something else.
    """

    business_types: Mapping[str, str]
    rules: tuple[tuple[str, WordList], ...]
    fault_type: str
    faults: tuple[tuple[str, WordList], ...]
    hazards: tuple[tuple[str, WordList], ...]
    only_mine: WordList
    default_type: str
    languages: Mapping[Script, str]
    default_language: str
    accounts: re.Pattern[str] | None = None
    urges: WordList = field(default_factory=lambda: WordList(()))
    unurgent: frozenset[str] = frozenset()

    def without_account(self, text: str) -> str:
        """Return a text without the account number written in it, and its label."""
        return text if self.accounts is None else self.accounts.sub(" ", text)

    def account_in(self, text: str) -> str | None:
        """Return the account number written in a text; None if there is none, or more than one to choose from."""
        found = set(self.accounts.findall(text)) if self.accounts is not None else set()
        return found.pop() if len(found) == 1 else None

    @property
    def hazard_words(self) -> frozenset[str]:
        """Every hazard a ticket can have, the channel's own danger choice included."""
        return frozenset({REPORTED_DANGER, *(hazard for hazard, _ in self.hazards)})

    def hazards_in(self, text: str) -> tuple[str, ...]:
        """Return the hazards named in a normalised text, sorted."""
        return tuple(sorted(hazard for hazard, words in self.hazards if words.find(text) is not None))

    def fault_in(self, text: str) -> tuple[str, str] | None:
        """Return the first kind of fault named in a normalised text, and the word that named it."""
        return _first(self.faults, text)

    def says_outage(self, text: str) -> bool:
        """Tell whether a normalised text says that power is out."""
        return any(words.find(text) is not None for kind, words in self.faults if kind == OUTAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What a ticket is about, with the reasons."""

    business_type: str
    type_rule: TypeRule
    words: tuple[str, ...] = ()
    """The keywords that decided business type and fault, as found."""
    fault: str | None = None
    hazards: tuple[str, ...] = ()
    language: str
    language_rule: LanguageRule
    single_premise: bool = False

    @property
    def is_outage(self) -> bool:
        """Whether the ticket claims that power is out, rather than bad, wrongly metered or only asked about."""
        return self.fault == OUTAGE


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
    plain = normalise(text)
    found: list[str] = []
    business_type, type_rule = keywords.default_type, TypeRule.DEFAULT
    named = _by_words(keywords, plain)
    if choice is not None and choice in keywords.business_types:
        business_type, type_rule = choice, TypeRule.CHANNEL_CHOICE
    elif named is not None:
        business_type, type_rule = named[0], TypeRule.KEYWORD
        found.append(named[1])
    elif hazards:
        business_type, type_rule = keywords.fault_type, TypeRule.HAZARD
    fault: str | None = None
    if business_type == keywords.fault_type:
        # A fault that does not say what it is, is an outage: most are, and the crew finds out.
        fault, word = keywords.fault_in(plain) or (OUTAGE, None)
        if word is not None and word not in found:
            found.append(word)
    spoken, language_rule = _language(keywords, language, customer_language, text)
    return Classification(
        business_type=business_type,
        type_rule=type_rule,
        words=tuple(found),
        fault=fault,
        hazards=tuple(sorted(hazards)),
        language=spoken,
        language_rule=language_rule,
        single_premise=single_premise or keywords.only_mine.find(plain) is not None,
    )


def _by_words(keywords: Keywords, plain: str) -> tuple[str, str] | None:
    for business_type, words in keywords.rules:
        if (word := words.find(plain)) is not None:
            return business_type, word
        if business_type == keywords.fault_type and (fault := keywords.fault_in(plain)) is not None:
            return business_type, fault[1]
    return None


def _language(
    keywords: Keywords, choice: str | None, customer_language: str | None, text: str
) -> tuple[str, LanguageRule]:
    if choice is not None:
        return choice, LanguageRule.CHANNEL_CHOICE
    script = script_of(text)
    if script is not None and script in keywords.languages:
        return keywords.languages[script], LanguageRule.SCRIPT
    if customer_language is not None:
        return customer_language, LanguageRule.CUSTOMER
    return keywords.default_language, LanguageRule.DEFAULT


def _first(lists: tuple[tuple[str, WordList], ...], text: str) -> tuple[str, str] | None:
    for name, words in lists:
        if (word := words.find(text)) is not None:
            return name, word
    return None


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
    return Priority.NORMAL, PriorityRule.DEFAULT
