"""The live display of the demo: what was sent, what became of it, what is still in progress.

Decided here: the display. On a terminal it is redrawn in place; elsewhere a line every few seconds. Never here: a
figure of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from rich.live import Live
from rich.table import Table

from services.cli.console import err
from services.runtime import clock

if TYPE_CHECKING:
    from services.cli.watch import Look
    from services.simulator.sender import Answers

_CHANNELS: Final = ("phone", "app", "wechat", "web")
_LINE_SECONDS: Final = 3.0
_REDRAWS: Final = 8  # a second


class LiveDisplay:
    """Redraws as answers and looks come in."""

    def __init__(self, title: str, planned: dict[str, int], answers: Answers) -> None:
        """Args: title of the picture, requests planned by channel, the answers that fill up."""
        self._title = title
        self._planned = planned
        self._answers = answers
        self._look: Look | None = None
        self._begun = self._last_line = clock.monotonic()
        self._phase = "sending"
        self._live = Live(console=err, get_renderable=self._draw, refresh_per_second=_REDRAWS, transient=True)

    def __enter__(self) -> Self:
        self._begun = clock.monotonic()
        if err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def phase(self, name: str) -> None:
        """Say what is going on now."""
        self._phase = name

    def on_look(self, look: Look) -> None:
        """Take in what the system has done so far."""
        self._look = look
        now = clock.monotonic()
        if not err.is_terminal and now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            err.print(f"{now - self._begun:4.0f} s  {self._phase}: {self._line(look)}")

    def _line(self, look: Look) -> str:
        sent, planned = sum(self._answers.requests.values()), sum(self._planned.values())
        return (
            f"{sent}/{planned} sent, {look.tickets} tickets, {look.incidents} incidents, {look.orders} order records, "
            f"{look.notices} notices, lag {look.behind}"
        )

    def _draw(self) -> Table:
        seconds = max(0.001, clock.monotonic() - self._begun)
        sent = sum(self._answers.requests.values())
        picture = Table.grid(padding=(0, 3))
        picture.title = f"{self._title}: {self._phase}, {seconds:.0f} s, {sent / seconds:.0f} contacts/s"
        picture.title_justify = "left"
        picture.add_row(self._channels(), self._system())
        return picture

    def _channels(self) -> Table:
        table = Table("channel", box=None, header_style="bold")
        table.add_column("sent", justify="right")
        table.add_column("accepted", justify="right")
        for channel in _CHANNELS:
            planned, done = self._planned.get(channel, 0), self._answers.requests[channel]
            table.add_row(channel, f"{done}/{planned}", str(self._answers.contacts[channel]))
        if self._answers.refused:
            table.add_row("refused", str(len(self._answers.refused)), "")
        return table

    def _system(self) -> Table:
        table = Table("so far", box=None, header_style="bold")
        table.add_column("", justify="right")
        look = self._look
        if look is None:
            return table
        table.add_row("tickets", str(look.tickets))
        table.add_row("incidents, open of all", f"{look.open_incidents} of {look.incidents}")
        table.add_row("dispatch orders, all versions", str(look.orders))
        table.add_row("notices to customers", str(look.notices))
        table.add_row("records yet to be read", str(look.behind))
        table.add_row("rows yet to be published", str(look.unpublished))
        return table
