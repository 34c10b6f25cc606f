"""``gridline stack``: Kafka, Postgres and the four services on this machine, without Docker or root."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.markup import escape
from rich.status import Status

from deploy.native import single, stack
from deploy.native.plan import addresses
from deploy.native.ports import outgoing_ports
from deploy.native.postgres import programs
from deploy.native.settings import PREFIX, read_settings
from services.cli.console import Json, err, out, print_json, table
from services.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from deploy.native.settings import StackSettings
    from deploy.native.state import StackInfo

app = typer.Typer(
    name="stack",
    no_args_is_help=True,
    add_completion=False,
    help="Kafka, Postgres and the four services on this machine: up, down, status, logs, reset; "
    "stop and start for single ones.",
)

_COLOURS = {"ready": "green", "up": "green", "failed": "red", "down": "red"}
_Names = Annotated[
    list[str] | None, typer.Argument(help="Processes: intake, router, dedup, notify, kafka, postgres.", metavar="NAME…")
]


@app.command()
def up() -> None:
    """Start the stack and leave it running; wait until every service is ready.

    The first start downloads Kafka (about 120 MB). Ports and folder are settings: GRIDLINE_STACK_KAFKA_PORT,
    GRIDLINE_STACK_INTAKE_PORT, GRIDLINE_STACK_RUN_FOLDER and so on; a taken port is named with who holds it.

    For example:  GRIDLINE_STACK_INTAKE_PORT=9001 gridline stack up
    """
    settings = read_settings()
    warn_of_ports(settings)
    with StartDisplay() as display:
        info = stack.up(settings, display.on_progress)
    with err.status("starting what was stopped"):
        single.start(settings)
    show_addresses(info)
    out.print(
        "Next: [bold]gridline grid import --network FILE --customers FILE[/bold], then [bold]gridline storm[/bold]."
    )


@app.command()
def down() -> None:
    """Stop the stack in order. Its data stays; `gridline stack reset` deletes it.

    For example:  gridline stack down
    """
    with err.status("stopping"):
        was_there = stack.down(read_settings())
    out.print("The stack is down." if was_there else "No stack was running.")


@app.command()
def stop(names: _Names = None) -> None:
    """Stop single processes in their orderly way. They stay down until `gridline stack start`; the others go on.

    Try what the system does without one of them: reports wait in Kafka, and nothing is lost. `gridline stack down`
    stops everything.

    For example:

      gridline stack stop notify

      gridline stack stop router dedup notify
    """
    if not names:
        advice = "Name the processes, or run `gridline stack down` for all of them."
        raise CommandError("which?", advice, Exit.USAGE)
    with err.status(f"stopping {', '.join(names)}"):
        single.stop(read_settings(), names)
    out.print(f"Stopped: {', '.join(names)}. Start again: [bold]gridline stack start {' '.join(names)}[/bold].")


@app.command()
def start(names: _Names = None) -> None:
    """Start what `gridline stack stop` stopped, all of it if none is named; wait until each is ready.

    For example:  gridline stack start notify
    """
    with err.status("starting"):
        started = single.start(read_settings(), names or ())
    out.print(f"Started: {', '.join(started)}." if started else "Nothing of these was stopped.")


@app.command()
def env() -> None:
    """Print where the running stack's Kafka and Postgres are, and its psql and pg_dump, for a shell to take in.

    The lines hold the password of this stack's Postgres.

    For example:

      eval "$(gridline stack env)" && psql "$GRIDLINE_POSTGRES_DSN"
    """
    info = stack.status(read_settings()).info
    if info is None:
        raise CommandError("no stack runs", "Run `gridline stack up` first.", Exit.NO)
    for name, value in addresses(info.kafka_bootstrap, info.postgres_dsn).items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH={shlex.quote(str(programs()))}:"$PATH"')


@app.command()
def status(as_json: Json = False) -> None:
    """Show every process of the stack and whether it is ready. Exit code 1 unless everything is.

    For example:  gridline stack status
    """
    found = stack.status(read_settings())
    if as_json:
        print_json({"state": found.state, "processes": [{**_fields(one)} for one in found.processes]})
    else:
        out.print(f"The stack is [{_colour(found.state)}]{found.state}[/].")
        rows = [
            (
                one.name,
                f"[{_colour(one.state)}]{one.state}[/]",
                one.pid,
                one.address,
                one.restarts or "",
                escape("" if one.state == "ready" else one.detail[:120]),
            )
            for one in found.processes
        ]
        if rows:
            columns = ("process", "state", "pid", "address", "restarts", "")
            out.print(table("", columns, rows, right=("pid", "restarts")))
    if found.state != "up":
        raise typer.Exit(Exit.NO)


@app.command()
def logs(
    names: Annotated[
        list[str] | None, typer.Argument(help="Processes: intake, router, dedup, notify, kafka, postgres, supervisor.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Lines from the end of each.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show the logs of the stack's processes. The services log JSON, one event a line, without personal data.

    For example:

      gridline stack logs dedup -n 100

      gridline stack logs -f
    """
    files = stack.logs(read_settings())
    if unknown := set(names or ()) - files.keys():
        there = ", ".join(files) or "none yet: run `gridline stack up`"
        raise CommandError(f"no log of {', '.join(sorted(unknown))}", f"There are: {there}.", Exit.NO)
    chosen = {name: files[name] for name in names or files}
    if not chosen:
        out.print("No logs yet: run [bold]gridline stack up[/bold].")
        return
    if follow:
        _follow([str(path) for path in chosen.values()], lines)
        return
    for name, path in chosen.items():
        if len(chosen) > 1:
            out.print(f"[bold]{name}[/bold]  {path}")
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=lines):
                print(line.rstrip("\n"))


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete the data of the stack's Kafka and Postgres, and the logs. The stack must be down.

    For example:  gridline stack down && gridline stack reset --yes
    """
    settings = read_settings()
    if not yes:
        typer.confirm(f"Delete the data in {settings.run_folder}?", abort=True)
    stack.reset(settings)
    out.print("The data is gone. The next start begins anew.")


def warn_of_ports(settings: StackSettings) -> None:
    """Say which ports may be in use when their servers are started again."""
    if unsteady := settings.unsteady_ports():
        taken = outgoing_ports()
        err.print(
            f"[yellow]These ports are among those that this machine gives to outgoing connections ({taken.start} to "
            f"{taken[-1]}), which may hold them when a server is started again:[/yellow] "
            + ", ".join(f"{PREFIX}{name.upper()}={getattr(settings, name)}" for name in unsteady)
            + f". Better choose ports below {taken.start}.",
            soft_wrap=True,
        )


class StartDisplay:
    """Shows what a starting stack is at, on stderr; steps that are done stay as lines."""

    def __init__(self) -> None:
        self._status = Status("starting", console=err)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def on_progress(self, progress: stack.Progress) -> None:
        """Show a step of the start."""
        if progress.total:
            self._status.update(f"{progress.step}: {progress.current} of {progress.total} files")
        else:
            self._status.update(progress.step)
        if progress.done:
            err.print(f"[green]✓[/green] {escape(progress.step)}")


def show_addresses(info: StackInfo) -> None:
    """Print where everything is."""
    rows = [(name, url, f"{url}/docs") for name, url in info.services.items()]
    out.print(table("The stack is up", ("service", "address", "documentation"), rows))
    out.print(f"Kafka {info.kafka_bootstrap} · Postgres {info.postgres_dsn} · files {info.run_folder}", soft_wrap=True)


def _fields(one: stack.ProcessStatus) -> dict[str, object]:
    return {name: getattr(one, name) for name in ("name", "state", "pid", "address", "log", "restarts", "detail")}


def _colour(state: str) -> str:
    return _COLOURS.get(state, "yellow")


def _follow(paths: list[str], lines: int) -> None:
    """Hand over to tail, which knows about files that are replaced."""
    tail = shutil.which("tail")
    if tail is None:
        raise CommandError("following needs the program tail", f"Read {Path(paths[0]).parent} by other means.")
    subprocess.run([tail, "-n", str(lines), "-F", *paths], check=False)
