"""``gridline grid``: the network model: import, convert, tile, switch, inspect."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from services.cli import switching
from services.cli.console import Json, err, out, print_json, progress, table
from services.cli.errors import CommandError, Exit
from services.cli.network import connected
from services.cli.recoding import in_utf8
from services.grid import store
from services.grid.cim import Drawing, read_cim
from services.grid.csv_file import NetworkFileError
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.tile import Base, Tiling, tile_customers, tile_devices

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg
    from rich.progress import TaskID

    from services.grid.tree import Tree

    Connection = asyncpg.Connection[asyncpg.Record]

app = typer.Typer(
    name="grid",
    no_args_is_help=True,
    add_completion=False,
    help="The network model: devices, customers, who feeds whom.",
)
app.command()(switching.switch)
app.command("switchings")(switching.list_switchings)

_SHOWN_CHILDREN = 40
_POLE, _ANTIMERIDIAN = 90, 180


Origin = Annotated[
    str | None, typer.Option(help="With CIM whose coordinates are a drawing's: LAT,LON of its lower left corner.")
]


@app.command("import")
def import_network(
    network: Annotated[Path | None, typer.Option(help="network.csv: id,parent,type,normally_open,lat,lon")] = None,
    customers: Annotated[
        Path | None, typer.Option(help="customers.csv: account_id,transformer_id,lat,lon,address,phone")
    ] = None,
    cim: Annotated[Path | None, typer.Option(help="A CIM XML file, in place of network.csv.")] = None,
    origin: Origin = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of CSV files that are not UTF-8: gb18030 is what Excel writes in Chinese.")
    ] = None,
) -> None:
    """Import a network and its customers as a new version, and switch to it: whole or not at all.

    A cycle, an orphan, a duplicate id or a bad coordinate is named with its line, in CIM with its mRID, and nothing is
    imported. Services see the new version within moments; files that are current already are not imported again.
    Without customers.csv, CIM's own loads are the customers.

    For example:

      gridline grid import --network deploy/networks/ieee123/network.csv
      --customers deploy/networks/ieee123/customers.csv

      gridline grid import --cim deploy/networks/cim/IEEE13.xml --origin 31.16,118.35

      gridline grid import --network 设备.csv --customers 客户.csv --encoding gb18030
    """
    if cim is not None and network is None:
        with TemporaryDirectory(prefix="gridline-cim-") as folder:
            if customers is not None and encoding is not None:
                customers = in_utf8(customers, encoding, Path(folder, "utf8"))
            own = _convert(cim, origin, Path(folder))
            _import(own[0], customers or own[1])
        return
    if network is None or customers is None or cim is not None:
        raise CommandError("say what to import", "--network with --customers, or --cim.", Exit.USAGE)
    if encoding is None:
        _import(network, customers)
        return
    with TemporaryDirectory(prefix="gridline-utf8-") as folder:
        made = [in_utf8(path, encoding, Path(folder, str(n))) for n, path in enumerate((network, customers))]
        _import(*made)


@app.command()
def convert(
    cim: Annotated[Path, typer.Argument(help="A CIM XML file.")],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for network.csv and customers.csv.")],
    origin: Origin = None,
) -> None:
    """Write a CIM file's network as network.csv and customers.csv, to look at, replay or tile.

    For example:  gridline grid convert deploy/networks/cim/IEEE13.xml --origin 31.16,118.35 --out /tmp/ieee13
    """
    network, customers = _convert(cim, origin, out_folder)
    out.print(f"{network}, {customers}")


def _convert(cim: Path, origin: str | None, folder: Path) -> tuple[Path, Path]:
    try:
        read = read_cim(cim, _drawing(origin))
    except NetworkFileError as error:
        advice = "Correct the file; a drawing's coordinates need --origin LAT,LON."
        raise CommandError(f"the CIM file cannot be used:\n{error}", advice) from None
    for warning in read.warnings:
        err.print(warning, markup=False)
    if read.unused_equipment:
        err.print(f"connected, but not part of the network: {_counts(read.unused_equipment)}")
    if others := {kind: n for kind, n in read.unused.items() if kind not in read.unused_equipment}:
        err.print(f"not read: {_counts(others)}")
    folder.mkdir(parents=True, exist_ok=True)
    network, customers = folder / "network.csv", folder / "customers.csv"
    write_devices(network, read.devices)
    write_customers(customers, read.customers)
    return network, customers


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in found.items())


def _drawing(origin: str | None) -> Drawing | None:
    if origin is None:
        return None
    north, _, east = origin.partition(",")
    try:
        lat, lon = float(north), float(east)
    except ValueError:
        lat = lon = math.nan
    if not (abs(lat) <= _POLE and abs(lon) <= _ANTIMERIDIAN):
        raise CommandError(f"--origin {origin}: not LAT,LON", "Say degrees, as 31.2,118.4.", Exit.USAGE)
    return Drawing(lat, lon)


def _import(network: Path, customers: Path) -> None:
    began = time.monotonic()
    with progress() as display:
        stages: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = display.add_task(stage)
            display.update(stages[stage], completed=done, total=total)

        imported = asyncio.run(connected(lambda c: store.import_network(c, network, customers, progress=tell)))
    seconds = time.monotonic() - began
    version = imported.version
    for warning in imported.warnings:
        err.print(warning, markup=False, soft_wrap=True)
    what = "is current now" if imported.changed else "was current already"
    out.print(
        f"Version {version} {what}: {version.areas:,} areas, {version.feeders:,} feeders, "
        f"{version.devices:,} devices, {version.customers:,} customers."
    )
    if imported.changed:
        err.print(f"It took {seconds:.1f} s: {version.customers / seconds:,.0f} customers/s.")
    if version.revision:
        err.print(f"It was switched {version.revision} times since its import, and stays so: gridline grid switchings.")


@app.command()
def tile(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for network.csv and customers.csv.")],
    base: Annotated[
        list[Path], typer.Option("--base", help="Folder with network.csv and customers.csv; repeat it to mix several.")
    ],
    areas: Annotated[int, typer.Option(min=1, help="Substations.")] = 3,
    tiles: Annotated[int, typer.Option(min=1, help="Copies under each substation.")] = 4,
    suspended_every: Annotated[int, typer.Option(min=0, help="Every n-th customer is cut off for arrears.")] = 0,
    important_every: Annotated[int, typer.Option(min=0, help="Every n-th customer is important.")] = 0,
    life_support_every: Annotated[int, typer.Option(min=0, help="Every n-th depends on life support.")] = 0,
) -> None:
    """Make a larger network: copies of small ones side by side, several to a substation.

    For example:  gridline grid tile --base deploy/networks/ckt5 --base deploy/networks/ieee123
    --areas 3 --tiles 8 --out /tmp/city
    """
    files = [open_network(folder / "network.csv", folder / "customers.csv") for folder in base]
    bases = [Base(one.devices, list(one.read_customers())) for one in files]
    tiling = Tiling(
        areas,
        tiles,
        suspended_every=suspended_every,
        important_every=important_every,
        life_support_every=life_support_every,
    )
    out_folder.mkdir(parents=True, exist_ok=True)
    devices = write_devices(out_folder / "network.csv", tile_devices(bases, tiling))
    customers = write_customers(out_folder / "customers.csv", tile_customers(bases, tiling))
    out.print(f"{devices:,} devices and {customers:,} customers in {areas} areas: {out_folder}")


@app.command()
def show(
    device: Annotated[str | None, typer.Argument(help="A device; without one, the areas.")] = None,
    as_json: Json = False,
) -> None:
    """Show the current network's areas, or one device: what feeds it and what it feeds.

    For example:

      gridline grid show

      gridline grid show T001-A0BR00001
    """
    version, trees = asyncio.run(connected(_read))
    if version is None:
        raise CommandError("no network has been imported", "Run `gridline grid import`.", Exit.NO)
    if device is None:
        _show_areas(version, trees, as_json=as_json)
        return
    tree = next((tree for tree in trees.values() if device in tree), None)
    if tree is None:
        raise CommandError(f"the network has no device {device!r}", "See the areas: gridline grid show.", Exit.NO)
    _show_device(tree, device, as_json=as_json)


async def _read(
    connection: Connection,
) -> tuple[store.NetworkVersion | None, dict[str, Tree]]:
    return await store.current_version(connection), await store.load_trees(connection)


def _show_areas(version: store.NetworkVersion, trees: dict[str, Tree], *, as_json: bool) -> None:
    rows = [
        (
            area,
            len({tree.feeder_of(device) for device in tree} - {area}),
            len(tree),
            tree.transformer_count(area),
            tree.customers_under(area),
        )
        for area, tree in trees.items()
    ]
    columns = ("area", "feeders", "devices", "transformers", "customers")
    if as_json:
        print_json(
            {
                "version": version.version,
                "revision": version.revision,
                "areas": [dict(zip(columns, row, strict=True)) for row in rows],
            }
        )
        return
    shown = [(escape(area), *counts) for area, *counts in rows]
    out.print(table(f"Network version {version}", columns, shown, right=columns[1:]))


def _show_device(tree: Tree, device: str, *, as_json: bool) -> None:
    found = tree.device(device)
    above, below = tree.ancestors(device), tree.children(device)
    if as_json:
        fields = {name: getattr(found, name) for name in found.__slots__}
        print_json({**fields, "ancestors": above, "children": below})
        return
    out.print(f"[bold]{escape(found.id)}[/bold]  {escape(found.type)} at {found.lat:.6f}, {found.lon:.6f}")
    if found.normally_open:
        err.print("It is normally open: nothing is fed through it.")
    out.print(f"area {escape(found.area)} · feeder {escape(found.feeder)}")
    out.print(f"feeds {found.customer_count:,} customers at {found.transformer_count:,} transformers")
    out.print(f"fed through: {escape(' ← '.join(above)) or 'nothing: it is a substation'}")
    more = f" and {len(below) - _SHOWN_CHILDREN} more" if len(below) > _SHOWN_CHILDREN else ""
    out.print(f"directly below: {escape(', '.join(below[:_SHOWN_CHILDREN])) or 'customers only'}{more}")
