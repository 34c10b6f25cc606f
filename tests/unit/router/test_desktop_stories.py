"""Some random stories of every run with desktops that hold streams; what broke one; that what would is found."""

from __future__ import annotations

from typing import Any

import pytest

from services.router import attendance
from services.router.api import stream
from services.router.bell import Bell
from services.router.lanes import Lanes
from tests.stories.router_at_desktops import live, story
from tests.stories.routing.world import TEXTS
from tests.stories.telling import Step, breaking
from tests.unit.router.test_stories import says

_OPENED = Step(0.0, "a_desktop_opens_a_stream", {"agent": "ann"})


def test_desktops_show_what_is_on_offer_and_nobody_waits_beside_them_in_random_stories() -> None:
    assert not dict(breaking(live, story, range(12)))


def test_what_turns_out_to_be_a_danger_while_it_is_on_offer_is_offered_anew_at_once() -> None:
    """The desktop went on showing what was gone, and the danger waited beside its agent for two seconds."""
    call = {"who": 3, "text": TEXTS.index("变压器冒烟"), "act": 0, "number": 0}
    live([_OPENED, Step(0.0, "somebody_does_while_the_caller_speaks_on", call)])


def test_an_offer_whose_line_broke_is_the_next_agents_and_announced_to_who_comes_back() -> None:
    live(
        [
            _OPENED,
            says(TEXTS.index("查电费")),
            Step(0.0, "a_stream_breaks", {"number": 0, "silently": True}),
            Step(0.2, "a_desktop_opens_a_stream", {"agent": "bob"}),
            Step(0.0, "a_desktop_comes_back", {"number": 0}),
            Step(0.0, "a_desktop_takes_what_it_shows", {"number": 0, "own": 1}),
        ]
    )


@pytest.mark.parametrize(
    ("of", "name", "instead", "found"),
    [
        (Bell, "changed", lambda *_: None, "a desktop does not hear at once"),
        (Bell, "ring", lambda *_, **__: None, "waits beside"),
        (Lanes, "theirs", lambda self, agent: sorted(self.served(agent))[-1:], "waits beside"),
        (Lanes, "worth", lambda self, agent: self.theirs(agent)[-1:], "something stands before"),
        (attendance, "_lost", None, "an offer stays with"),
        (stream, "_ended", None, "one offer at a time"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_control_what_desktops_would_not_hear_is_found(
    of: Any, name: str, instead: Any, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any, **__: Any) -> Any:
        return [] if name == "_lost" else None

    monkeypatch.setattr(of, name, instead or nothing)
    said = (how[-1] for _, how in breaking(live, story, range(60)))
    assert any(found in one for one in said)
