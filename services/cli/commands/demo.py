"""``gridline demo``: a storm from end to end on a stack of its own, and the proof that nothing was lost."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.native import stack
from deploy.native.child import Child, Command
from deploy.native.plan import Preparation, default_preparations, default_services
from deploy.native.ports import free_port, is_free
from deploy.native.settings import StackSettings, read_settings
from deploy.native.state import is_locked
from services.cli import evidence as evidences
from services.cli import invariants, merging, summary
from services.cli.commands.stack import StartDisplay, show_addresses
from services.cli.commands.storm import development_senders
from services.cli.console import err, out
from services.cli.errors import CommandError, Exit
from services.cli.live import LiveDisplay
from services.cli.topics import committed_offsets, reader
from services.cli.watch import watching
from services.contracts.topics import DISPATCH_ORDER
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.runtime import clock, rehearsal
from services.runtime.rehearsal import Rehearsal
from services.runtime.settings import ServiceSettings
from services.simulator.faults import Network
from services.simulator.generate import draw_storm
from services.simulator.payloads import at_pace, events_of, render
from services.simulator.sender import Answers, send
from services.simulator.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from deploy.native.state import StackInfo
    from services.cli.evidence import Evidence
    from services.cli.watch import Watch
    from services.simulator.generate import Storm
    from services.simulator.payloads import Request

_PROJECT = Path(__file__).parents[3]
_NETWORKS = _PROJECT / "deploy" / "networks"
_CONSUMER = _PROJECT / "examples" / "field_repair_consumer.py"
_TILING = Tiling(areas=3, tiles_per_area=8, suspended_every=150, important_every=300, life_support_every=500)
_GROUP = "field-repair-example"
_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.2
_STORM = 6 * 3600.0
_REPAIR_SHARE = 0.4
_REPAIR = 1.2  # of the time the storm is lived in: crews live in the present, and arrive when it has been reached
_CREWS = 0.4  # of the same, after the last contact: until power is back at the first orders
_QUIET_SECONDS = 90.0
_STOP_SECONDS = 10.0


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up and print its addresses.")] = False,
    faults: Annotated[int, typer.Option(min=5, max=400, help="True outages; their sizes follow real ones.")] = 150,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="Replay its six hours within this time.")] = 40.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same storm.")] = 1,
) -> None:
    """Send a storm of some thousand contacts through a real Kafka, a real Postgres and the four services.

    Networks: IEEE 123 and EPRI ckt5, tiled to three substations of eight feeders. Six hours of storm are replayed in
    seconds: the services' clocks run that much faster until they reach the present. Contacts come by phone, web, app
    and WeChat; simulated crews (examples/field_repair_consumer.py) take the orders and restore power. At the end every
    contact is accounted for. Exit code 0 only if the count is exact and every guarantee held.

    It runs in a folder of its own on free ports, beside any stack of yours, and leaves nothing running.

    For example:

      gridline demo

      gridline demo --keep --faults 60
    """
    settings = _stack_settings()
    if is_locked(settings.run_folder):
        what = f"a demonstration is still up in {settings.run_folder}"
        raise CommandError(what, f"Stop it: {_command(settings, 'stack down')}.", Exit.STACK)
    if not _CONSUMER.exists():
        raise CommandError(f"{_CONSUMER} is not there", "Run the demonstration from a clone of the project.")
    proved = interrupted = False
    _clear(settings)
    try:
        proved = _run(settings, keep=keep, shape=Shape(faults=faults, seconds=_STORM), seconds=seconds, seed=seed)
    except (KeyboardInterrupt, SystemExit):  # the second is SIGTERM, or a closed terminal
        interrupted = True
        raise
    finally:
        if not is_locked(settings.run_folder) and (proved or interrupted):
            _clear(settings)
        elif not proved and not interrupted:
            err.print(f"The logs stay in {settings.logs_folder}.", soft_wrap=True)
    if not proved:
        raise typer.Exit(Exit.NO)


def _clear(settings: StackSettings) -> None:
    """Delete what an earlier demonstration, or this one, left in its folder."""
    stack.reset(settings)
    shutil.rmtree(settings.run_folder, ignore_errors=True)


def _run(settings: StackSettings, *, keep: bool, shape: Shape, seconds: float, seed: int) -> bool:
    """Start everything, send the storm, judge. Return whether all was kept."""
    network, preparation = _network(settings.run_folder)
    storm = draw_storm(network, shape, seed)
    events = events_of(storm)
    lived, pace = settings.run_folder / "rehearsal.json", Rehearsal.of(events[-1].at, seconds)
    pace.write(lived)
    with ExitStack() as running:
        with StartDisplay() as display:
            up = running.enter_context(
                stack.running(
                    settings,
                    display.on_progress,
                    services=default_services(settings, rehearsal=lived),
                    preparations=[*default_preparations(), preparation],
                )
            )
        service_settings = ServiceSettings(kafka_bootstrap=up.info.kafka_bootstrap, postgres_dsn=up.info.postgres_dsn)
        crews = running.enter_context(_crews(settings, up.info, seconds))
        begins = clock.now() + timedelta(seconds=rehearsal.NOTICED_SECONDS)
        pace = pace.beginning(begins)
        pace.write(lived)
        first = begins - timedelta(seconds=pace.behind_seconds)
        requests = at_pace(render(storm, events, first, development_senders()), pace.rate)
        evidence, answers = asyncio.run(_drive(service_settings, up.info, storm, begins, requests, crews))
        evidence.accepted, evidence.unknown = frozenset(answers.accepted), frozenset(answers.unknown)
        evidence.actions = evidences.read_actions(settings.run_folder / "field_repair.db")
        verdict = invariants.check(evidence)
        cases = {case.number: case for case in storm.cases}
        truth = {request.ticket_id: cases[request.case] for request in requests}
        out.print(summary.render(evidence, verdict, merging.judge(evidence, truth), answers, pace.course().present))
        for status, text in answers.refused[:5]:
            err.print(f"The intake refused a request: {status} {text}", markup=False)
        if keep:
            info = up.keep()
            crews.stop(_STOP_SECONDS)
            out.print()
            show_addresses(info)
            out.print(f"Use it: {_command(settings, 'incidents list')}", soft_wrap=True)
            out.print(f"Stop it: {_command(settings, 'stack down')}", soft_wrap=True)
    return verdict.kept and not (answers.refused or answers.unknown or answers.wrong_ids)


async def _drive(
    settings: ServiceSettings,
    info: StackInfo,
    storm: Storm,
    begins: datetime,
    requests: list[Request],
    crews: Child,
) -> tuple[Evidence, Answers]:
    """Send the storm while looking on; wait until the system is at rest; read everything there is."""
    answers, seconds = Answers(), requests[-1].at
    planned = Counter(request.channel.value for request in requests)
    title = f"A storm of {len(storm.faults)} faults and {len(storm.cases)} people"
    async with watching(settings) as watch:
        with LiveDisplay(title, planned, answers) as display:
            looking = asyncio.create_task(_keep_looking(watch, display))
            try:
                await asyncio.sleep(max(0.0, (begins - clock.now()).total_seconds()))
                await send(requests, info.services["intake"], answers)
                display.phase("crews at work")
                await asyncio.sleep(_CREWS * seconds)
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
            crews.signal(signal.SIGUSR1)  # they go home; their system still follows the orders
            display.phase("coming to rest")
            await watch.until_quiet(_QUIET_SECONDS, display.on_look)
            await _until_read(settings, _GROUP, _QUIET_SECONDS)
            display.phase("counting")
            return await evidences.gather(settings), answers


async def _until_read(settings: ServiceSettings, group: str, seconds: float) -> None:
    """Wait until another company's consumer has read every order.

    Raises:
        CommandError: it has not after ``seconds``.
    """
    deadline = clock.monotonic() + seconds
    async with reader(settings) as kafka:
        while True:
            bounds = await kafka.bounds([DISPATCH_ORDER.name])
            stands = await committed_offsets(settings, group)
            if all(stands.get(at, first) >= end for at, (first, end) in bounds.items()):
                return
            if clock.monotonic() > deadline:
                what = f"{group} has not read every order after {seconds:g} s"
                raise CommandError(what, "Look at field-repair.log in the run folder.", Exit.NO)
            await asyncio.sleep(_POLL_SECONDS)


async def _keep_looking(watch: Watch, display: LiveDisplay) -> None:
    while True:
        display.on_look(await watch.look())
        await asyncio.sleep(_LOOK_SECONDS)


def _network(folder: Path) -> tuple[Network, Preparation]:
    """Tile the shipped networks, write them, and return them with the command that imports them."""
    bases = []
    for name in ("ckt5", "ieee123"):
        files = open_network(_NETWORKS / name / "network.csv", _NETWORKS / name / "customers.csv")
        bases.append(Base(files.devices, list(files.read_customers())))
    network = Network(tile_devices(bases, _TILING), tile_customers(bases, _TILING))
    folder.mkdir(parents=True, exist_ok=True)
    devices, customers = folder / "network.csv", folder / "customers.csv"
    write_devices(devices, network.devices)
    write_customers(customers, network.customers)
    command = (sys.executable, "-m", "services.cli", "grid", "import")
    files_of = ("--network", str(devices), "--customers", str(customers))
    return network, Preparation("import the network", (*command, *files_of))


@contextmanager
def _crews(settings: StackSettings, info: StackInfo, seconds: float) -> Iterator[Child]:
    """Run the field-repair example as the company it stands for would: a process of its own."""
    command = Command(
        name="field repair",
        arguments=[
            sys.executable,
            str(_CONSUMER),
            *("--kafka", info.kafka_bootstrap, "--gridline", info.services["dedup"]),
            *("--group", _GROUP, "--store", str(settings.run_folder / "field_repair.db"), "--crews"),
            *("--repair-seconds", str(_REPAIR * seconds), "--repair-share", str(_REPAIR_SHARE)),
        ],
        environment={"LANG": "C.UTF-8"},
        log=settings.logs_folder / "field-repair.log",
    )
    child = Child(command)
    try:
        yield child
    finally:
        child.stop(_STOP_SECONDS)


def _stack_settings() -> StackSettings:
    """A folder of its own; the usual ports where they are free, others where not."""
    usual = read_settings()
    ports = {name: getattr(usual, name) for name in StackSettings.ports()}
    free = {name: port if is_free(port) else free_port() for name, port in ports.items()}
    return read_settings(run_folder=usual.run_folder / "demo", **free)


def _command(settings: StackSettings, command: str) -> str:
    return f"GRIDLINE_STACK_RUN_FOLDER={settings.run_folder} gridline {command}"
