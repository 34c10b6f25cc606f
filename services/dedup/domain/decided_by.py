"""By which rule something was decided: one word in the ledger, the messages, the log and the metrics."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """Why something was decided."""

    FIRST_REPORT = "first_report"
    SAME_DEVICE = "same_device"
    UNDER_OPEN_INCIDENT = "under_open_incident"
    COMMON_UPSTREAM = "common_upstream_device"
    OUT_AGAIN = "out_again"
    STILL_OUT = "still_out"
    FOLLOWS = "follows_open_incident"
    SECOND_WAVE = "second_wave"
    APART = "apart"
    MOVED_DOWN = "moved_down"
    RESTORED_INSIDE = "restored_inside"
    SINGLE_PREMISE = "single_premise"
    SAME_PREMISE = "same_premise"
    BESIDE = "beside"
    HAZARD = "hazard"

    LIFE_SUPPORT = "life_support_customer"
    IMPORTANT = "important_customer"
    PRIORITY_RAISED = "priority_raised"
    HOLD_OVER = "hold_over"
    SOMEBODY = "somebody_reported"
    ABSORBED = "absorbed"

    CREW_PROGRESS = "crew_progress"
    CREW_ESTIMATE = "crew_estimate"
    CREW_RESTORED = "crew_restored"
    POWER_BACK = "power_back"
    NOT_OPEN = "incident_not_open"
    STALE = "older_than_known"

    ARREARS = "arrears"
    ALREADY_RESTORED = "already_restored"
    DEVICE_UNKNOWN = "device_unknown"
    PLANNED = "planned_outage"

    STORM = "storm"

    MERGED = "merged_by_person"
    SPLIT = "split_by_person"
    MOVED = "moved_by_person"
    CONFIRMED = "confirmed_by_person"
    RELATED = "related_by_person"
    UNDONE = "undone_by_person"
    UNPLACED = "placement_undone"
    PLAN_ENTERED = "planned_outage_entered"
    PLAN_ACCEPTED = "plan_accepted_by_person"
    PLAN_DECLINED = "plan_declined_by_person"
    PLAN_WITHDRAWN = "plan_withdrawn"
    NOT_PLANNED = "not_planned_after_all"

    BREAKER_OPEN = "breaker_open"
    METERS_ON = "meters_on"
    METERS_OFF = "meters_off"
    BREAKER_CLOSED = "breaker_closed"
    OVERDUE = "overdue"
    ELSEWHERE = "evidence_points_elsewhere"

    DEVICE_GONE = "device_gone"
    DEVICE_MOVED = "device_moved"
    DEVICE_BACK = "device_back"
    OPEN_ELSEWHERE = "open_in_another_area"
    NOT_ELSEWHERE = "not_open_elsewhere"
