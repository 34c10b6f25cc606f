"""``gridline figures``: reliability of supply by IEEE 1366."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import desk
from services.cli.console import Area, Json, out, print_json, table
from services.cli.moments import From, given, shown


def figures(
    start: From = None,
    end: Annotated[
        str | None,
        typer.Option("--until", callback=given, help="End; now. Days are counted in its offset, or in the begin's."),
    ] = None,
    area: Area = None,
    momentary: Annotated[
        float | None,
        typer.Option(help="Interruptions up to this many minutes are momentary; as in service_levels.yaml, if absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show SAIDI, SAIFI, CAIDI and MAIFI (IEEE 1366) of the interruptions that began in a time.

    For example:  gridline figures --from 2026-11-01T00:00+08:00
    """
    found = desk.ask("/v1/figures/reliability", start=start, end=end, area=area, momentary_minutes=momentary)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            name,
            one["customers_served"],
            one["interruptions"],
            *(f"{one[key]:.3f}" for key in ("saidi_minutes", "saifi", "caidi_minutes", "maifi")),
        )
        for name, one in (
            ("all", found["total"]),
            *((one["area"], one) for one in found["areas"]),
            *((one["day"], one) for one in found["days"]),
        )
    ]
    names = ("", "customers", "interruptions", "SAIDI min", "SAIFI", "CAIDI min", "MAIFI")
    title = " to ".join(shown(found[name], seconds=False, here=False) for name in ("start", "end"))
    out.print(table(title, names, rows, right=names[1:]))
