"""``gridline storm``: a simulated storm, sent to the intake or written to files, with its truth."""

from __future__ import annotations

import asyncio
import csv
import re
from dataclasses import replace
from datetime import datetime  # noqa: TC003 - typer reads annotations at run time
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from services.cli import addresses
from services.cli.console import err, out, progress
from services.cli.errors import CommandError, Exit
from services.cli.imported import read_network
from services.cli.network import connected
from services.contracts.values import Channel
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.tile import Base
from services.intake.security import DEVELOPMENT_KEYS, DEVELOPMENT_WECHAT
from services.quality.score import percentile
from services.runtime import clock
from services.runtime.whole_file import written_whole
from services.simulator.faults import Network
from services.simulator.files import write_storm
from services.simulator.generate import draw_storm
from services.simulator.instruments import Instruments, with_instruments
from services.simulator.payloads import Senders, at_steady_rate, begun_before, events_of, render
from services.simulator.presets import PRESETS, STORM, tiled
from services.simulator.sender import Answers, send
from services.simulator.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.simulator.generate import Storm
    from services.simulator.payloads import Request

_WORST = 10
_STAGES = 4
_A_DAY_S, _A_MONTH_H = 86_400, 720
_TILES, _MOST_TILES = re.compile(r"([0-9]{1,5})x([0-9]{1,5})"), 10_000
_PANEL = "Instruments, with --out"
_HALF = 0.5  # of a small network's customers stay lit, so that many faults fit in


def storm(
    faults: Annotated[int, typer.Option(min=1, max=100_000, help="True outages; their sizes follow real ones.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed on the same network gives the same storm.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, max=_A_DAY_S, help="Send the storm evenly within this time.")] = 20.0,
    areas: Annotated[int, typer.Option(min=1, max=100_000, help="Use this many areas of the imported network.")] = 10,
    network: Annotated[Path | None, typer.Option(help="network.csv, in place of the imported network.")] = None,
    customers: Annotated[Path | None, typer.Option(help="customers.csv that goes with it.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write the truth of each contact to a CSV.")] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write network, customers, reports, restorations, truth; send nothing.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"With --out: a network and storm by name: {', '.join(PRESETS)}.", rich_help_panel="Files"),
    ] = None,
    tiles: Annotated[
        str | None,
        typer.Option(help="With --out: tile the network, AREASxFEEDERS, such as 10x4.", rich_help_panel="Files"),
    ] = None,
    meters: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of homes with a smart meter.", rich_help_panel=_PANEL)
    ] = None,
    gasps: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of last gasps that arrive; without it each fault draws its own, 0.6 to 0.95.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    false_gasps: Annotated[
        float, typer.Option(min=0, max=1000, help="False gasps a meter and year.", rich_help_panel=_PANEL)
    ] = Instruments().false_gasps,
    telemetry: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of breakers and reclosers with telemetry.", rich_help_panel=_PANEL),
    ] = None,
    hours: Annotated[
        float, typer.Option(min=0.1, max=_A_MONTH_H, help="With --out: length of the storm in its own time.")
    ] = 12.0,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="With --out: when it begins.")
    ] = "2026-07-01T18:00:00+0800",  # type: ignore[assignment]  # typer reads the text by its formats
) -> None:
    """Simulate a storm: faults, the people who report them by phone, web, app and WeChat, and other business.

    Sizes of outages and the share of customers who report follow real figures; accounts are wrong or missing at times,
    positions are off, people report again, senders send twice, some see danger. Every contact's truth is known.

    For example:

      gridline storm --faults 20 --seconds 10

      gridline storm --preset ieee123 --seed 7 --out /tmp/storm

      gridline storm --network network.csv --customers customers.csv --tiles 10x4 --faults 500 --out /tmp/storm

      gridline storm --preset ieee123 --meters 0.9 --telemetry 1 --out /tmp/storm

    docs/storm-files.md says what each file means.
    """
    if (network is None) != (customers is None):
        raise CommandError("--network and --customers go together", "Name both files, or neither.", Exit.USAGE)
    instruments = _instruments(meters, gasps, false_gasps, telemetry)
    if out_folder is not None:
        if preset is not None and (network is not None or tiles is not None):
            raise CommandError("--preset brings its own network", "Leave out --network, --tiles.", Exit.USAGE)
        if preset is not None and preset not in PRESETS:
            raise CommandError(f"no preset {preset!r}", f"There are {', '.join(PRESETS)}.", Exit.USAGE)
        with progress() as display:
            task = display.add_task("network", total=_STAGES)

            def tell(stage: str) -> None:
                display.update(task, description=stage, advance=1)

            if preset is None:
                shape = replace(STORM, faults=faults, seconds=hours * 3600, darkest=_HALF)
                struck = _tiled(_network(network, customers, areas), tiles)
            else:
                shape, struck = PRESETS[preset].shape(seed), PRESETS[preset].network()
            tell("storm")
            drawn = draw_storm(struck, shape, seed)
            _write(drawn if instruments is None else with_instruments(drawn, instruments), start, out_folder, tell)
        return
    if preset is not None or tiles is not None or instruments is not None:
        what = "--preset, --tiles, --meters and --telemetry are for files"
        raise CommandError(what, "Name a folder: --out DIR.", Exit.USAGE)
    drawn = draw_storm(_network(network, customers, areas), Shape(faults=faults), seed)
    events = events_of(drawn)
    requests = at_steady_rate(render(drawn, events, begun_before(clock.now(), events), development_senders()), seconds)
    if truth is not None:
        truth.open("a").close()  # it is not known again once the storm was sent
    answers = Answers()
    with progress() as display:
        task = display.add_task(f"{len(drawn.faults)} faults, {len(drawn.cases)} people", total=len(requests))
        url = addresses.find().urls["intake"]
        asyncio.run(send(requests, url, answers, lambda _: display.advance(task)))
    if truth is not None:
        write_truth(truth, drawn, requests)
    _tell(answers, url)


def _instruments(
    meters: float | None, gasps: float | None, false_gasps: float, telemetry: float | None
) -> Instruments | None:
    """Return the instruments that were asked for; None for a storm that knows nothing of any."""
    if meters is None and telemetry is None:
        if gasps is not None:
            raise CommandError("--gasps is of meters, and there are none", "Name --meters too.", Exit.USAGE)
        return None
    found = Instruments(meters=meters or 0.0, false_gasps=false_gasps, telemetry=telemetry or 0.0)
    return found if gasps is None else replace(found, gasps=(gasps, gasps))


def development_senders() -> Senders:
    """Return the senders of the shipped ``deploy/sources.yaml``."""
    names = {Channel.PHONE: "ivr-dev", Channel.WEB: "web-dev", Channel.APP: "app-dev"}
    account, token = next(iter(DEVELOPMENT_WECHAT.items()))
    keys = {channel: DEVELOPMENT_KEYS[name] for channel, name in names.items()}
    return Senders(sources=names, keys=keys, account=account, token=token)


def write_truth(path: Path, storm: Storm, requests: list[Request]) -> None:
    """Write contact, ticket, case, fault, kind and customer of everything that was sent."""
    cases = {case.number: case for case in storm.cases}
    seen: set[object] = set()
    with written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("contact_id", "ticket_id", "case", "fault_id", "kind", "account_id", "again", "misplaced"))
        for request in requests:
            if request.contact_id in seen:
                continue
            seen.add(request.contact_id)
            case = cases[request.case]
            account = "" if case.customer is None else storm.network.customers[case.customer].account_id
            ids = (request.contact_id, request.ticket_id, case.number)
            about = (case.fault or "", case.kind.value, account, int(case.again), int(case.misplaced))
            writer.writerow((*ids, *about))


def _network(network: Path | None, customers: Path | None, areas: int) -> Network:
    if network is None or customers is None:
        return asyncio.run(connected(lambda connection: read_network(connection, areas)))
    files = open_network(network, customers)
    return Network(files.devices, files.read_customers())


def _tiled(network: Network, tiles: str | None) -> Network:
    if tiles is None:
        return network
    said = _TILES.fullmatch(tiles)
    if said is None or not 0 < int(said[1]) * int(said[2]) <= _MOST_TILES:
        what = f"--tiles {tiles}: not areas x feeders, at most {_MOST_TILES:,} feeders in all"
        raise CommandError(what, "Say areas x feeders, as 10x4.", Exit.USAGE)
    try:
        return tiled([Base(network.devices, network.customers)], int(said[1]), int(said[2]))
    except ValueError as error:
        raise CommandError(f"--tiles {tiles}: {error}", "Say areas x feeders, as 10x4.", Exit.USAGE) from None


def _write(storm: Storm, start: datetime, folder: Path, tell: Callable[[str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tree = storm.network.tree
    tell("network.csv, customers.csv")
    write_devices(folder / "network.csv", storm.network.devices)
    write_customers(folder / "customers.csv", storm.network.customers)
    tell("reports and truth")
    written = write_storm(storm, start, folder)
    tell("done")
    readings = "" if storm.words is None else f"{written.readings:,} readings, "
    out.print(
        f"{written.reports:,} reports of {written.truth:,} cases and {written.faults:,} faults, "
        f"{written.restorations:,} restorations, {readings}on {len(tree):,} devices: {folder}"
    )


def _tell(answers: Answers, url: str) -> None:
    by_channel = ", ".join(f"{channel} {n:,}" for channel, n in sorted(answers.contacts.items()))
    out.print(f"{len(answers.accepted):,} contacts accepted ({by_channel}); {answers.resent:,} were sent twice.")
    milliseconds = [1000 * percentile(answers.latencies, share) for share in (0.5, 0.99)]
    out.print(f"Due to accepted: p50 {milliseconds[0]:.1f} ms, p99 {milliseconds[1]:.1f} ms.")
    for status, text in answers.refused[:_WORST]:
        err.print(f"[red]{status}[/red] {escape(text)}", markup=True)
    if answers.refused:
        what = f"the intake refused {len(answers.refused)} requests"
        raise CommandError(what, "Look at its log: gridline stack logs intake.", Exit.NO)
    if answers.unknown:
        what = f"{len(answers.unknown)} contacts got no clear answer from {url}"
        raise CommandError(what, "Start the stack (`gridline stack up`), or set GRIDLINE_INTAKE_URL.", Exit.UNREACHABLE)
