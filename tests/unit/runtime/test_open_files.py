"""A process may hold as many connections as its machine lets it, not as many as a shell of long ago did."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
