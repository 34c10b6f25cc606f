"""What a report's text says about danger, "only my house", the account and other faults, for replays.

Decided here: it is read by deploy/classify.yaml as in the router, each text once. Never here: a keyword.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from services.dedup.replay_reports import Heard
from services.router.domain.reading import OUTAGE
from services.router.settings import RouterSettings
from services.router.tree.keywords import read_keywords
from services.runtime.settings import read_settings

Hear = Callable[[str], Heard]


@cache
def hearing() -> Hear:
    """Return what tells what words say."""
    file = read_settings(RouterSettings).classify_file
    keywords = read_keywords(file.name, file.read_text(encoding="utf-8"))

    @cache
    def hear(text: str) -> Heard:
        reading = keywords.read(text)
        other = reading.fault is not None and reading.fault[0] != OUTAGE
        return Heard(reading.hazards, reading.only_mine, reading.account, other)

    return hear
