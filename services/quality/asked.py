"""What people add to the engine: whoever it could not place is asked where they live.

Decided here: who can be asked, when the answer comes, that it is right. It is what the router's queue ``locate`` is for
(deploy/routes.yaml), and its report goes out as theirs do: told when it was first told, and received once it has a
place. Never here: a figure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel
from services.dedup import replay_reports
from services.quality.placed import first_arrivals
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dedup.replay_files import ReportLine
    from services.dedup.replay_reports import Prepared
    from services.quality.hearing import Hear
    from services.quality.storms import StormFiles, Truth

ANSWERED_AFTER: Final = timedelta(minutes=10)


def asked(storm: StormFiles, prepared: Sequence[Prepared], hear: Hear) -> list[Prepared]:
    """Return the messages of a storm's reports, by arrival, with the answers of those that had no place.

    Args:
        storm: The storm with its truth.
        prepared: What its reports become by themselves.
        hear: What words say.
    """
    lines = {line.event_id: line for line in first_arrivals(storm.lines)}
    found = list(prepared)
    for n, one in enumerate(prepared):
        line, truth = lines[one.event_id], storm.truth[one.event_id]
        if _has_a_place(one) or not _can_be_asked(line, truth):
            continue
        home = replace(line, account_id=truth.account, phone=None, lat=None, lon=None, address=None)
        (answer,) = replay_reports.prepare(storm.served.book, [home], hear, lambda *_: None)
        if answer.message is None:  # they speak of something else, and so does whoever asks them
            continue
        at = one.received_at + ANSWERED_AFTER
        found[n] = answer._replace(received_at=at, message=answer.message.model_copy(update={"received_at": at}))
    return sorted(found, key=attrgetter("received_at"))


def _has_a_place(one: Prepared) -> bool:
    return one.message is not None and one.message.place.transformer_id is not None


def _can_be_asked(line: ReportLine, truth: Truth) -> bool:
    """Tell whether an agent reaches somebody who reported, and is the first to talk to them.

    A form without a number leaves nobody to ask; who saw danger has an agent at once, placed or not.
    """
    if line.channel is Channel.WEB and not line.phone:
        return False
    return bool(truth.account) and truth.kind is not Kind.HAZARD
