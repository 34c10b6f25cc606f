"""Why, in words: a ledger row as a sentence for a dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.dedup.domain.events import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_SENTENCES: Final = {
    Rule.FIRST_REPORT: "Nothing open covered {device_class} {device}, so this report opened an incident there.",
    Rule.SAME_DEVICE: "An incident was open at this {device_class} {device}; it has {reports} reports with this one.",
    Rule.UNDER_OPEN_INCIDENT: (
        "The report lies under {device_class} {device}, which was predicted open; "
        "the incident has {reports} reports with this one."
    ),
    Rule.COMMON_UPSTREAM: (
        "{transformers} of the {transformers_under} transformers under {device_class} {device} reported since {since}, "
        "on {branches} of its branches: that passed the thresholds of its class, so one outage of it explains them."
    ),
    Rule.ABSORBED: (
        "{transformers} of the {transformers_under} transformers under {device_class} {device} reported since {since}, "
        "on {branches} of its branches, so the report went to the incident of that device."
    ),
    Rule.OUT_AGAIN: (
        "Power had come back at {device_class} {device} or just above it since the larger outage began, "
        "so this is a new outage."
    ),
    Rule.SINGLE_PREMISE: "The customer says only their own premises are without power, so they are by themselves.",
    Rule.SAME_PREMISE: "The same customer reported the same again.",
    Rule.HAZARD: "Danger was reported: it has its own incident and its own order, whatever else is open there.",
    Rule.ARREARS: "The customer is cut off for arrears, so the report was answered and no crew sent.",
    Rule.ALREADY_RESTORED: "The report was made before power was restored there and arrived after, so it was answered.",
    Rule.DEVICE_UNKNOWN: "No device of the network is known for this report, so a person must place it.",
}


def sentence(rule: str, evidence: Mapping[str, Any]) -> str:
    """Return a rule and its evidence as an English sentence; the bare rule where it is not known here."""
    try:
        return _SENTENCES[Rule(rule)].format_map(evidence)
    except (ValueError, KeyError):
        return rule.replace("_", " ")
