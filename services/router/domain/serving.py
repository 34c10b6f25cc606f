"""Who works, and which lanes of tickets they serve: a queue, and the skills that its tickets need.

Decided here: which agents may have which tickets. Never here: in which order (``desk``), what an action changes.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from services.contracts.values import Language, Name, Value, Word

ANY: Final = "*"
LANGUAGE: Final = "language"
_SEPARATOR: Final = "\x1f"  # in no queue's name and no skill


class Agent(Value):
    """Who works: what they can, and how much at a time.

    Attributes:
        queues: Names, or ``*`` for every queue.
        languages: Ranges as in RFC 4647: ``mn`` covers ``mn-Mong-CN``, ``mn-Mong`` does not cover ``mn-Cyrl``.
        skills: Plain words, or ``attribute:value`` (``area:S1``), or ``attribute:*``.
        capacity: Most tickets on offer, in hand and in wrap-up together.
    """

    agent_id: Name
    name: Name | None = None
    queues: tuple[Word, ...] | tuple[str, ...] = Field(min_length=1, max_length=100)
    languages: tuple[Language | str, ...] = Field(default=("zh",), min_length=1, max_length=50)
    skills: tuple[Name, ...] = Field(default=(), max_length=100)
    capacity: int = Field(default=1, ge=0, le=50)


def lane_of(queue: str, skills: tuple[str, ...] = ()) -> str:
    """Return the name of the lane of tickets that need the same of an agent."""
    return _SEPARATOR.join((queue, *skills))


def in_words(lane: str) -> str:
    """Return a lane as people read it."""
    queue, *skills = lane.split(_SEPARATOR)
    return f"{queue} for {', '.join(skills)}" if skills else queue


def serves(agent: Agent, lane: str) -> bool:
    """Tell whether an agent can have the tickets of a lane: its queue, and every skill it asks for."""
    queue, *skills = lane.split(_SEPARATOR)
    if queue not in agent.queues and ANY not in agent.queues:
        return False
    return all(_has(agent, skill) for skill in skills)


def _has(agent: Agent, skill: str) -> bool:
    name, _, value = skill.partition(":")
    if name == LANGUAGE:
        return any(_covers(spoken, value) for spoken in agent.languages)
    return skill in agent.skills or f"{name}:{ANY}" in agent.skills


def _covers(spoken: str, language: str) -> bool:
    spoken, language = spoken.lower(), language.lower()
    return spoken in {ANY, language} or language.startswith(f"{spoken}-")
