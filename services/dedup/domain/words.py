"""Why, in words: a ledger row as a sentence for a dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_SENTENCES: Final = {
    Rule.FIRST_REPORT: "Nothing open covered {device_class} {device}, so this report opened an incident there.",
    Rule.SAME_DEVICE: "An incident was open at this {device_class} {device}; it has {reports} reports with this one.",
    Rule.UNDER_OPEN_INCIDENT: (
        "The report lies under {device_class} {device}, where an incident was open; "
        "it has {reports} reports with this one."
    ),
    Rule.COMMON_UPSTREAM: (
        "One outage of {device_class} {device} ({customers} customers) explains {calls} callers and the silence of the "
        "others better than {incidents} outages and this one apart: {together} against {apart} as log likelihoods. "
        "Considered, by gain: {considered}. Silence from now on would change it."
    ),
    Rule.ABSORBED: (
        "One outage of {device_class} {device} ({customers} customers) explains {calls} callers and the silence of the "
        "others better than {incidents} outages apart: {together} against {apart} as log likelihoods. "
        "Considered, by gain: {considered}."
    ),
    Rule.APART: (
        "Too few called for an outage of {device_class} {device}: {calls} of {customers} customers. Outages apart "
        "explain the calls better, {apart} against {together} as log likelihoods: {pieces}."
    ),
    Rule.MOVED_DOWN: (
        "Too few called for an outage of {device_class} {device}: {calls} of {customers} customers. A device further "
        "down explains the calls better, {apart} against {together} as log likelihoods: {pieces}."
    ),
    Rule.RESTORED_INSIDE: (
        "Power came back at {device} at {restored_at}, inside a larger outage: what was reported there had a cause "
        "of its own."
    ),
    Rule.POWER_BACK: "Power came back at {device} at {restored_at}: this was its outage.",
    Rule.SECOND_WAVE: (
        "{calls} called since {since} under {device}: no tail of the outage that was open there, so power must have "
        "been back in between, and this is another."
    ),
    Rule.STILL_OUT: (
        "Power had come back there less than an hour or so before, and not for this customer: the same outage goes on."
    ),
    Rule.FOLLOWS: (
        "The report may be at several places; an outage of {device_class} {device} is open over one of them and "
        "explains it. A call-back that names the place would change it."
    ),
    Rule.OUT_AGAIN: (
        "Power had come back at {device_class} {device} or just above it since the larger outage began, "
        "so this is a new outage."
    ),
    Rule.SINGLE_PREMISE: "The customer says only their own premises are without power, so they are by themselves.",
    Rule.BESIDE: (
        "Another home there called before; were the whole {device_class} {device} out, more would have called by now. "
        "So this is a fault of this customer's own line."
    ),
    Rule.SAME_PREMISE: "The same customer reported the same again.",
    Rule.HAZARD: "Danger was reported: it has its own incident and its own order, whatever else is open there.",
    Rule.ARREARS: "The customer is cut off for arrears, so the report was answered and no crew sent.",
    Rule.ALREADY_RESTORED: "The report was made before power was restored there and arrived after, so it was answered.",
    Rule.PLANNED: "The report lies under a planned outage and was made while it lasted, so it was answered.",
    Rule.MERGED: "{by} merged the incident into this one: {said}",
    Rule.SPLIT: "{by} split the report off into an incident of its own: {said}",
    Rule.MOVED: "{by} moved the report: {said}",
    Rule.UNDONE: "{by} took an earlier command back: {said}",
    Rule.PLAN_ACCEPTED: "{by} said that this is planned work, entered after the report was made: {said}",
    Rule.PLAN_WITHDRAWN: "{by} withdrew the planned outage that had answered the report: {said}",
    Rule.NOT_PLANNED: "{by} withdrew the planned outage that had answered the report as it came: {said}",
    Rule.UNPLACED: "The placing of the report was taken back, so a person must place it.",
    Rule.OPEN_ELSEWHERE: (
        "The report lies under {device_class} {device}, which another area feeds since the network was switched; the "
        "outage of it is open there with its order, so no second one was issued."
    ),
    Rule.DEVICE_UNKNOWN: "No device of the network is known for this report, so a person must place it.",
}
_DEPENDS: Final = "The customer depends on power, so a person must see to them, and no crew was sent: {why}"
_WAITS: Final = {
    Rule.ARREARS: _DEPENDS.format(why="the account is cut off for arrears."),
    Rule.PLANNED: _DEPENDS.format(why="the report lies under a planned outage and was made while it lasted."),
}
"""What would be answered for any other customer."""


def sentence(rule: str, evidence: Mapping[str, Any], *, waits: bool = False) -> str:
    """Return a rule and its evidence as an English sentence; the bare rule where it is not known here.

    Args:
        rule: Why.
        evidence: What the ledger says was considered.
        waits: The report waits for a person.
    """
    try:
        known = Rule(rule)
        return (_WAITS.get(known) if waits else None) or _SENTENCES[known].format_map(evidence)
    except (ValueError, KeyError):
        return rule.replace("_", " ")
