"""A route tree and the one that follows it: a queue is renamed, one is removed, one added, and others wait otherwise.

Decided here: what the two files say. Never here: how they are rolled out.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.unit.router.making import CLASSIFY, ROUTES

if TYPE_CHECKING:
    from pathlib import Path

GONE = frozenset({"consultation", "opinion"})
"""Queues of the old tree that the new one lacks."""
COME = frozenset({"questions", "billing"})
"""Queues that only the new one has."""

_OLD = {
    # what nobody takes for a moment overflows into the queue that will be gone
    "    - name: opinion\n      match: {business_type: [praise, opinion, suggestion]}\n      queue: opinion\n": (
        "    - name: praise\n      match: {business_type: praise}\n"
        "      targets: [{queue: general, for: 8s}, {queue: consultation}]\n"
        "    - name: opinion\n      match: {business_type: [opinion, suggestion]}\n"
        "      targets: [{queue: opinion, for: 3s}, {queue: consultation}]\n"
    ),
}
_NEW = {
    "  consultation: {title: 咨询查询,": "  questions: {title: 咨询查询,",
    "  opinion: {title: 表扬意见建议,": "  billing: {title: 服务申请账务,",
    "      queue: consultation\n": "      queue: questions\n",
    "      queue: opinion\n": "      queue: questions\n",
    # another priority, other times, skills, rings
    "      match: {business_type: complaint}\n      queue: complaint\n": (
        "      match: {business_type: complaint}\n      raise_priority: high\n      targets:\n"
        "        - {queue: complaint, skills: [language], requires: [senior],"
        " relax: [{after: 1s, drop: [senior]}, {after: 2s, drop: [language]}]}\n"
    ),
    "      queue: service_request\n": (
        "      targets:\n        - {queue: billing, for: 4s}\n        - {queue: questions}\n"
    ),
}


def write(folder: Path, *, new: bool) -> Path:
    """Write the old or the new tree, and the words, into a folder."""
    folder.mkdir(exist_ok=True)
    if not (folder / "classify.yaml").exists():
        shutil.copy(CLASSIFY, folder)
    text = ROUTES.read_text(encoding="utf-8")
    for was, instead in (_NEW if new else _OLD).items():
        assert was in text, was
        text = text.replace(was, instead)
    (folder / "routes.yaml").write_text(text, encoding="utf-8")
    return folder
