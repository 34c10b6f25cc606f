"""The command line for the tests beside this file."""

from __future__ import annotations

from tests.unit.cli.command_line import gridline

__all__ = ["gridline"]
