"""``gridline`` as somebody types it, in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from services.cli import __main__ as cli

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def gridline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; return its exit code and what it said on stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gridline", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run
