"""``gridline corrections``: how far the engine's merging stood after people looked at it."""

from __future__ import annotations

from services.cli import desk
from services.cli.console import Area, Json, out, print_json, share, table
from services.cli.moments import From, Until, shown


def corrections(
    start: From = None,
    end: Until = None,
    area: Area = None,
    as_json: Json = False,
) -> None:
    """Show what people corrected of the incidents that opened in a time: how well your hotline's calls are merged.

    F1 is B-cubed, with the incidents that stand for the truth: people correct what they notice, so it is what was
    right at most. `confirmed` counts outages whose device a person confirmed; then how many orders named it first,
    and when it was confirmed, or sent the crew above or below it.

    For example:  gridline corrections --from 2026-11-01T00:00+08:00
    """
    found = desk.ask("/v1/figures/corrections", start=start, end=end, area=area)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            name,
            *(one[key] for key in ("incidents", "reports", "merged", "split", "moved")),
            *("–" if one[key] is None else f"{one[key]:.3f}" for key in ("precision", "recall", "f1")),
            one["confirmed"],
            *(share(one[key], one["confirmed"]) for key in ("first_right", "last_right", "last_above", "last_below")),
        )
        for name, one in (("all", found["total"]), *((one["area"], one) for one in found["areas"]))
    ]
    names = (
        *("", "incidents", "reports", "merged", "split", "moved", "precision", "recall", "F1"),
        *("confirmed", "right at first", "at last", "above", "below"),
    )
    title = " to ".join(shown(found[name], seconds=False, here=False) for name in ("start", "end"))
    out.print(table(title, names, rows, right=names[1:]))
