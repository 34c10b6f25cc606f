"""The local stack on a disk that is full: what ends for want of room is started again until there is some."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from deploy.native import stack
from tests.integration.native.test_stack import _process, _until
from tests.small_disk import small_disk

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.native.settings import StackSettings

pytestmark = pytest.mark.integration

FULL_SECONDS = 6.0
"""Starts are tried after half a second, one and two; a machine that is slower tries fewer."""


def test_a_full_disk_takes_nothing_down_for_good(servers_folder: Path, stack_settings: StackSettings) -> None:
    with small_disk(servers_folder / "small", 160) as disk:
        settings = stack_settings.model_copy(update={"run_folder": disk.folder / "stack"})
        try:
            with stack.running(settings, services=[], preparations=[]):
                before = {name: _process(stack.status(settings), name).pid for name in ("kafka", "postgres")}
                disk.fill()
                os.kill(before["kafka"], signal.SIGKILL)
                time.sleep(FULL_SECONDS)

                def came_back() -> bool:
                    found = stack.status(settings)
                    return found.state == "up" and _process(found, "kafka").pid not in {before["kafka"], None}

                assert not came_back()
                disk.make_room()
                _until(came_back, seconds=90)
                assert _process(stack.status(settings), "postgres").pid == before["postgres"]
        finally:
            stack.down(settings)
