"""``classify.yaml`` to the words that tell what customers want."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from yaml.nodes import ScalarNode

from services.router.domain.language import Tongues
from services.router.domain.likeness import Likeness
from services.router.domain.reading import DANGER, NO_BUSINESS, OUTAGE, REPORTED_DANGER, Denials, Keywords
from services.router.domain.words import Misheard, Script, WordList, check_word
from services.runtime.yaml_reading import Reader, compiled, line_of, meant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yaml.nodes import Node

_KEYS: Final = ("version", "business_types", "rules", "default", "faults", "hazards", "only_mine", "languages")
_MAY: Final = (*_KEYS, "accounts", "urges", "denials", "past_danger", "misheard", "sets")
_LONGEST_TAG: Final = 35
_SET: Final = re.compile(r"<(\w*)>")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def read_keywords(file: str, text: str, likeness: Mapping[str, Likeness] = MappingProxyType({})) -> Keywords:
    """Read the word lists.

    Args:
        file: Its name, for faults.
        text: What it says.
        likeness: What each meaning sounds like without a word of the lists (``likeness.txt``): ``danger``, business
            types, kinds of fault and ``none``. Of a business type that this file does not have nothing is heard.

    Raises:
        RulesError: every fault, with its line and what is allowed.
    """
    reader = _WordReader(file, text)
    top = reader.top(_MAY, _KEYS)
    if "sets" in top:
        reader.sets = {
            entry.key: [word for word, _ in reader.texts(entry.value, f"set {entry.key!r}")]
            for entry in reader.entries(top["sets"], "sets")
        }
    types = _types(reader, top["business_types"]) if "business_types" in top else {}
    fault_type, faults = _faults(reader, top["faults"], types) if "faults" in top else ("", ())
    rules = _rules(reader, top["rules"], types) if "rules" in top else ()
    if "rules" in top and fault_type and fault_type not in {business_type for business_type, _ in rules}:
        reason = f"rules has none for {fault_type!r}: its place in the order says when words of faults decide"
        reader.fault(line_of(top["rules"]), reason)
    default = reader.word(top["default"], "business type", types) if "default" in top else None
    hazards = _named_lists(reader, top["hazards"], "hazards") if "hazards" in top else ()
    only_mine = _words(reader, top["only_mine"], "only_mine") if "only_mine" in top else WordList(())
    languages, default_language = _languages(reader, top["languages"]) if "languages" in top else ({}, "")
    accounts = _accounts(reader, top["accounts"]) if "accounts" in top else None
    urges, unurgent = _urges(reader, top["urges"], types) if "urges" in top else (WordList(()), frozenset[str]())
    denials = _denials(reader, top["denials"]) if "denials" in top else Denials()
    misheard = _misheard(reader, top["misheard"]) if "misheard" in top else Misheard({})
    past = {"words": top["past_danger"]} if "past_danger" in top else {}
    reader.finish()
    meant_by_lists = {*types, *(kind for kind, _ in faults), NO_BUSINESS}
    return Keywords(
        business_types=types,
        rules=rules,
        fault_type=fault_type,
        faults=faults,
        hazards=hazards,
        only_mine=only_mine,
        default_type=default or "",
        languages=languages,
        default_language=default_language,
        accounts=accounts,
        urges=urges,
        unurgent=unurgent,
        denials=denials,
        past_danger=_list_of(reader, past, "past_danger"),
        misheard=misheard,
        suspicion=likeness.get(DANGER, Likeness()),
        likeness={name: one for name, one in likeness.items() if name in meant_by_lists},
    )


class _WordReader(Reader):
    """Reads lists in which ``<name>`` stands for each word of a set, so that none of its combinations is forgotten.

    Attributes:
        sets: The words by the name of their set.
    """

    sets: Mapping[str, Sequence[str]] = MappingProxyType({})

    def texts(self, node: Node, what: str) -> list[tuple[str, int]]:
        """Return a list of texts with their lines, one for each word of a set that it names."""
        return [(each, line) for text, line in super().texts(node, what) for each in self._each(text, line)]

    def _each(self, text: str, line: int) -> list[str]:
        named = _SET.search(text)
        if named is None:
            return [text]
        if named[1] not in self.sets:
            self.fault(line, f"{named[1]!r} is no set; {meant(named[1], self.sets)}")
        return [
            each
            for word in self.sets.get(named[1], ())
            for each in self._each(text[: named.start()] + word + text[named.end() :], line)
        ]


def _types(reader: Reader, node: Node) -> dict[str, str]:
    types: dict[str, str] = {}
    for entry in reader.entries(node, "business_types"):
        word = reader.checked_word(entry.key, entry.line, "business type")
        name = reader.text(entry.value, f"the name of {entry.key!r}")
        if word is not None and name is not None:
            types[word] = name
    return types


def _words(reader: Reader, node: Node, what: str) -> WordList:
    return _list_of(reader, reader.fields(node, what, {"words", "ignore"}, ("words",)), what)


def _list_of(reader: Reader, fields: Mapping[str, Node], what: str) -> WordList:
    found: dict[str, list[str]] = {"words": [], "ignore": []}
    for key in found.keys() & fields.keys():
        for text, line in reader.texts(fields[key], f"{key} of {what}"):
            try:
                check_word(text)
            except ValueError as error:
                reader.fault(line, str(error))
            else:
                found[key].append(text)
    if "words" in fields and not found["words"]:
        reader.fault(line_of(fields["words"]), f"{what} has no words")
    return WordList(found["words"], found["ignore"])


def _denials(reader: Reader, node: Node) -> Denials:
    fields = reader.fields(node, "denials", ("words", "doubts"), ("words", "doubts"))
    doubts = {"words": fields["doubts"]} if "doubts" in fields else {}
    words = {"words": fields["words"]} if "words" in fields else {}
    return Denials(_list_of(reader, words, "denials"), _list_of(reader, doubts, "doubts of denials"))


def _misheard(reader: Reader, node: Node) -> Misheard:
    fields = reader.fields(node, "misheard", ("words", "ignore"), ("words",))
    entries = reader.entries(fields["words"], "words of misheard") if "words" in fields else ()
    meant = {entry.key: _as_they_stand(reader, entry.value, f"misheard {entry.key!r}") for entry in entries}
    ignore = _as_they_stand(reader, fields["ignore"], "ignore of misheard") if "ignore" in fields else []
    return Misheard(meant, ignore)


def _as_they_stand(reader: Reader, node: Node, what: str) -> list[str]:
    """Words that are replaced inside a text, wherever they are."""
    found = reader.texts(node, what)
    for text, line in found:
        if "*" in text or text.isascii():
            reader.fault(
                line, f"{text!r} is replaced wherever it stands: no '*', no letters of words with spaces between"
            )
    return [text for text, _ in found]


def _urges(reader: Reader, node: Node, types: Mapping[str, str]) -> tuple[WordList, frozenset[str]]:
    fields = reader.fields(node, "urges", ("words", "ignore", "not_of"), ("words",))
    listed = reader.items(fields["not_of"], "not_of of urges") if "not_of" in fields else []
    checked = {reader.word(item, "business type", types) for item in listed}
    return _list_of(reader, fields, "urges"), frozenset(word for word in checked if word is not None)


def _rules(reader: Reader, node: Node, types: Mapping[str, str]) -> tuple[tuple[str, WordList], ...]:
    rules: list[tuple[str, WordList]] = []
    for item in reader.items(node, "rules"):
        entries = list(reader.entries(item, "a rule"))
        if len(entries) != 1:
            reader.fault(line_of(item), "a rule is one business type with its words: 'complaint: {words: [...]}'")
        for entry in entries:
            if entry.key not in types:
                reader.fault(entry.line, f"{entry.key!r} is no business type; {meant(entry.key, types)}")
            rules.append((entry.key, _words(reader, entry.value, f"rule {entry.key!r}")))
    return tuple(rules)


def _faults(reader: Reader, node: Node, types: Mapping[str, str]) -> tuple[str, tuple[tuple[str, WordList], ...]]:
    fields = reader.fields(node, "faults", ("business_type", "kinds"), ("business_type", "kinds"))
    fault_type = reader.word(fields["business_type"], "business type", types) if "business_type" in fields else None
    kinds = _named_lists(reader, fields["kinds"], "kinds") if "kinds" in fields else ()
    if "kinds" in fields and OUTAGE not in {kind for kind, _ in kinds}:
        reader.fault(line_of(fields["kinds"]), f"kinds has no {OUTAGE!r}: the fault that is reported for merging")
    return fault_type or "", kinds


def _named_lists(reader: Reader, node: Node, what: str) -> tuple[tuple[str, WordList], ...]:
    lists: list[tuple[str, WordList]] = []
    for entry in reader.entries(node, what):
        word = reader.checked_word(entry.key, entry.line, f"name in {what}")
        if word == REPORTED_DANGER:
            reader.fault(entry.line, f"{REPORTED_DANGER!r} is the channel's own danger choice and has no words")
        lists.append((entry.key, _words(reader, entry.value, f"{what} {entry.key!r}")))
    if not lists:
        reader.fault(line_of(node), f"{what} is empty")
    return tuple(lists)


def _accounts(reader: Reader, node: Node) -> re.Pattern[str] | None:
    """A label, perhaps a word or a mark between, and the number."""
    fields = reader.fields(node, "accounts", ("labels", "number"), ("labels", "number"))
    if len(fields) < len(("labels", "number")):
        return None
    labels = [re.escape(text) for text, _ in reader.texts(fields["labels"], "labels of accounts")]
    number = reader.text(fields["number"], "number of accounts") or ""
    label = "|".join(sorted(labels, key=len, reverse=True))
    between = r"\s{0,3}(?:是|为|is|no\.?)?\s{0,3}[:：#]?\s{0,3}"
    try:
        alone = compiled(number)
        labelled = compiled(rf"(?:{label}){between}({number})(?![0-9A-Za-z-])", re.IGNORECASE)
    except ValueError as error:
        reason = f"{number!r} is no regular expression, or one with flags such as (?i), which stands anyway: {error}"
        reader.fault(line_of(fields["number"]), reason)
        return None
    if alone.groups or alone.fullmatch(""):
        reader.fault(line_of(fields["number"]), "the number's expression has a group, or fits nothing at all")
        return None
    return labelled


def _languages(reader: Reader, node: Node) -> tuple[dict[Script, Tongues], str]:
    fields = reader.fields(node, "languages", ("default", "scripts"), ("default", "scripts"))
    default = _language(reader, fields["default"]) if "default" in fields else ""
    scripts: dict[Script, Tongues] = {}
    if "scripts" in fields:
        for name, value in reader.fields(fields["scripts"], "scripts", tuple(Script)).items():
            if isinstance(value, ScalarNode):
                scripts[Script(name)] = Tongues(_language(reader, value))
                continue
            what = f"script {name!r}"
            told = reader.fields(value, what, ("otherwise", "told", "words"), ("otherwise", "told"))
            otherwise = _language(reader, told["otherwise"]) if "otherwise" in told else ""
            codes = reader.entries(told["told"], f"told of {what}") if "told" in told else ()
            words = _list_of(reader, {"words": told["words"]}, what) if "words" in told else None
            scripts[Script(name)] = Tongues(
                otherwise, {code.key: _language(reader, code.value) for code in codes}, words
            )
    return scripts, default


def _language(reader: Reader, node: Node) -> str:
    tag = reader.text(node, "a language") or ""
    if tag and (_LANGUAGE.fullmatch(tag) is None or len(tag) > _LONGEST_TAG):
        reader.fault(line_of(node), f"{tag!r} is no BCP 47 language tag such as zh-Hans-CN or en")
    return tag
