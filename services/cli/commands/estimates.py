"""``gridline estimates``: how the times held that customers were told."""

from __future__ import annotations

from typing import Any

from services.cli import addresses, http
from services.cli.console import Area, Json, out, print_json, share, table
from services.cli.moments import From, Until, shown


def estimates(
    start: From = None,
    end: Until = None,
    area: Area = None,
    as_json: Json = False,
) -> None:
    """Show how the times held that customers were told, of outages whose power came back in a time.

    A customer counts once for each outage. `late` is how long after the last time power was back, in minutes, for half
    and for nine of ten of those for whom it did not hold; `early` how long before it, for half of the others.

    For example:  gridline estimates --from 2026-11-01T00:00+08:00
    """
    url = addresses.find().urls["notify"]
    found = http.get("notify", url, "/v1/estimates", since=start, until=end, area=area)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            name,
            one["customers"],
            share(one["told"], one["customers"]),
            share(one["told_soon"], one["customers"]),
            share(one["first_held"], one["told"]),
            share(one["last_held"], one["told"]),
            one["changes"],
            *(_minutes(one[key]) for key in ("late_p50_minutes", "late_p90_minutes", "early_p50_minutes")),
        )
        for name, one in (("all", found["total"]), *((one["area"], one) for one in found["areas"]))
    ]
    names = (
        *("", "customers", "told a time", "within 15 min", "held: first", "last", "changed"),
        *("late p50", "late p90", "early p50"),
    )
    title = " to ".join(shown(found[name], seconds=False, here=False) for name in ("since", "until"))
    out.print(table(title, names, rows, right=names[1:]))


def _minutes(value: Any) -> str:
    return "–" if value is None else f"{value:.0f}"
