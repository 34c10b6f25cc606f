"""``gridline incidents at``: where an address is in the network, what feeds it, what is out or planned there.

Never here: which evidence to believe (dedup's door asks the network model).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from services.cli import addresses, desk, http
from services.cli.console import Json, out, print_json, table
from services.cli.errors import CommandError, Exit
from services.cli.moments import shown
from services.contracts.values import Crs

app = typer.Typer(add_completion=False)

_STATES: Final = {"predicted": "out, predicted", "confirmed": "out, confirmed"}


@app.command("at")
def known_at(
    address: Annotated[
        str | None, typer.Argument(help="As people say it; or the name of a pole, a line or a transformer.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A whole message, which may say where its customer is.")] = None,
    account: Annotated[str | None, typer.Option(help="The customer's account number.")] = None,
    phone: Annotated[str | None, typer.Option(help="The customer's telephone number.")] = None,
    position: Annotated[str | None, typer.Option(metavar="LAT,LON", help="Degrees north and east.")] = None,
    accuracy: Annotated[float | None, typer.Option(min=0, help="Of the position: radius in metres, 95 %.")] = None,
    crs: Annotated[Crs, typer.Option(help="What the position is given in.")] = Crs.WGS84,
    as_json: Json = False,
) -> None:
    """Say where a place is in the network, what feeds it, and what is out, lately back or planned there.

    It is placed as a report that says the same would be: all that is given counts, and what contradicts itself is said.

    For example:

      gridline incidents at 人民路12号3栋

      gridline incidents at --text "城东变大唐线5号杆附近没电了"

      gridline incidents at --account A0900001 --position 31.23,121.47 --accuracy 30
    """
    told: dict[str, Any] = {"address": address, "text": text, "account_id": account, "phone": phone}
    told = {name: value for name, value in told.items() if value is not None}
    if position is not None:
        told["position"] = _position(position) | {"crs": crs.value, "accuracy_m": accuracy}
    if not told:
        raise CommandError(
            "nothing says which place", "Give an address, --text, --account, --phone or --position.", Exit.USAGE
        )
    url = addresses.find().urls["dedup"]
    found = http.send("dedup", url, "POST", "/v1/places/search", told, headers=desk.headers())
    if as_json:
        print_json(found)
        return
    _tell(found["place"])
    _tell_supply(found)
    for plan in found["planned_outages"]:
        out.print(
            f"planned outage {plan['planned_id']} at {escape(plan['device_id'])}, {shown(plan['starts_at'])} to "
            f"{shown(plan['ends_at'])}: {escape(plan['reason'])}"
        )
    if found["incidents"]:
        out.print("Look at one: gridline incidents show INCIDENT.")


def _position(said: str) -> dict[str, float]:
    lat, _, lon = said.partition(",")
    try:
        return {"lat": float(lat), "lon": float(lon)}
    except ValueError:
        raise CommandError(f"--position {said}: not LAT,LON", "Say degrees, as 31.2,118.4.", Exit.USAGE) from None


def _tell(place: dict[str, Any]) -> None:
    """Say where it is, how sure that is and what speaks for it; else which places it may be."""
    why = escape(", ".join(place["evidence"]) or "nothing the network model knows")
    sure = f"{place['confidence']:.0%} sure: {why}"
    if place.get("transformer_id") is not None:
        parts = (place["transformer_id"], place.get("feeder"), place["area"], place.get("account_id"))
        out.print(f"[bold]{escape(' · '.join(part for part in parts if part))}[/bold] ({sure})")
    elif place.get("area") is not None:
        out.print(f"somewhere in [bold]{escape(place['area'])}[/bold] ({sure})")
        out.print(f"All that is open there: gridline incidents list --area {escape(place['area'])}")
    else:
        out.print(f"The network model does not tell where that is ({why}).")
    rows = [
        (
            escape(one["transformer_id"]),
            escape(one.get("account_id") or ""),
            escape(one["area"]),
            f"{one['weight']:.0%}",
        )
        for one in place.get("candidates") or ()
    ]
    if rows:
        out.print(table("It may be at", ("transformer", "account", "area", "likely"), rows, right=("likely",)))


def _tell_supply(found: dict[str, Any]) -> None:
    """Show what feeds the place, each device with what is known there."""
    here: dict[str, list[dict[str, Any]]] = {}
    for one in found["incidents"]:
        here.setdefault(one["device"]["id"], []).append(one)
    devices = {one["id"]: (one["type"], one["customers"]) for one in found["supply"]}
    # A person may have confirmed it at a device that cannot open.
    devices = {**devices, **{key: (ones[0]["device"]["type"], "") for key, ones in here.items() if key not in devices}}
    rows = [
        (
            escape(device) if n == 0 else "",
            kind if n == 0 else "",
            customers if n == 0 else "",
            *(_incident(one) if one else ("", "", "")),
        )
        for device, (kind, customers) in devices.items()
        for n, one in enumerate(here.get(device, [None]))
    ]
    if rows:
        columns = ("device", "type", "customers", "", "ETR", "incident")
        out.print(table("Fed by, and what is known there", columns, rows, right=("customers",)))
    if found["place"].get("transformer_id") is not None and not found["incidents"]:
        out.print("No outage is known there, and none in the last 24 hours.")


def _incident(one: dict[str, Any]) -> tuple[str, str, str]:
    state = _STATES.get(one["state"]) or f"back {shown(one['restored_at'], seconds=False)}"
    what = state if one["kind"] == "outage" else f"{one['kind']}: {state}"
    return what, shown((one["etr"] or {}).get("at"), seconds=False), one["incident_id"]
