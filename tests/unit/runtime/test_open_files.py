"""A process may hold as many connections as its machine lets it, not as many as a shell of long ago did."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.runtime.open_files import ENOUGH

_STARTED = """
import resource
from services.runtime.open_files import allow_as_many_as_may_be
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {most}))
allow_as_many_as_may_be()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize("most", [64, 512])
def test_a_service_takes_what_the_machine_gives(most: int):
    started = subprocess.check_output([sys.executable, "-c", _STARTED.format(most=most)], text=True)
    assert started.split() == [str(most), str(most)]


_SERVICE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))
import runpy
runpy.run_module("services.intake", run_name="__main__")
"""


@pytest.mark.parametrize("most", [512, 8192])
def test_a_service_that_may_open_few_files_says_so(most: int):
    ours = {key: value for key, value in os.environ.items() if not key.startswith("GRIDLINE_")}
    away = {"GRIDLINE_KAFKA_BOOTSTRAP": "127.0.0.1:1", "GRIDLINE_HTTP_PORT": "0", "GRIDLINE_HTTP_HOST": "127.0.0.1"}
    command = [sys.executable, "-c", _SERVICE.format(most=most)]
    with subprocess.Popen(
        command, env=ours | away, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        first = child.stdout.readline()  # its warnings come in order, this one before all others
        child.kill()
    assert ("few_open_files" in first) is (most < ENOUGH), first
