"""Random stories of desktops with streams at two routers: ``python -m tests.stories --of router_desktops_at_two``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.stories import router_at_desktops, router_at_two
from tests.stories.router_in_postgres import in_postgres
from tests.stories.routing.desktops import lived_at_desktops_of_two
from tests.stories.routing.two import InTwoProcesses
from tests.stories.servers import on_its_own

if TYPE_CHECKING:
    from tests.stories.telling import Story


def story(seed: int) -> Story:
    """Tell a story of two routers, between whose steps desktops come, take, break and come back."""
    return router_at_desktops.story(seed, router_at_two.story(seed))


over = partial(in_postgres, room=InTwoProcesses, lives=lived_at_desktops_of_two)
stage: Final = on_its_own(lambda dsn, _: over(dsn))
