"""What a report's words say of danger and of "only my house", for replays: the router's keywords.

Decided here: that it is the words of deploy/classify.yaml, once for each text. Never here: a keyword.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from services.dedup.replay import Heard
from services.router.settings import RouterSettings
from services.router.tree.keywords import read_keywords
from services.runtime.settings import read_settings

Hear = Callable[[str], Heard]


@cache
def hearing() -> Hear:
    """Return what finds danger and "only my house" in words."""
    file = read_settings(RouterSettings).classify_file
    keywords = read_keywords(file.name, file.read_text(encoding="utf-8"))

    @cache
    def hear(text: str) -> Heard:
        reading = keywords.read(text)
        return Heard(reading.hazards, reading.only_mine)

    return hear
