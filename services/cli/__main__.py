"""Entry point of ``gridline``: the commands, and the one place where an error becomes a line of text.

Decided here: which commands there are, and the exit code of each kind of failure. A command's module is loaded when it
is used, so that a small one starts fast. Never here: work.
"""

from __future__ import annotations

import difflib
import errno
import io
import logging
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape
from typer.core import TyperGroup

from deploy.native.errors import StackError
from services.cli.console import err
from services.cli.errors import CommandError, Exit
from services.grid.csv_file import NetworkFileError
from services.runtime.errors import UnavailableError, in_words
from services.runtime.settings import SettingsError

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

_COMMANDS: Final = (
    "demo",
    "stack",
    "grid",
    "storm",
    "incidents",
    "planned",
    "figures",
    "corrections",
    "estimates",
    "routes",
    "dlq",
    "replay",
    "score",
    "quality",
    "conformance",
    "topics",
    "positions",
    "db",
    "forget",
    "docs",
)
"""Names of the commands, in the order help lists them; each is a module of ``services.cli.commands``."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What is written goes into a file, or onto a disk, that takes no more."""

_START: Final = "Start it (`gridline stack up`), or set GRIDLINE_KAFKA_BOOTSTRAP and GRIDLINE_POSTGRES_DSN."
_MAY_NOT: Final = "Let this user do that, or set GRIDLINE_KAFKA_USERNAME and GRIDLINE_KAFKA_PASSWORD of one who may."
_KAFKA_SAYS: Final = {
    "InvalidReplicationFactorError": "Ask for no more copies than there are brokers: --replication.",
    "TopicAuthorizationFailedError": _MAY_NOT,
    "ClusterAuthorizationFailedError": _MAY_NOT,
}
"""Errors of a Kafka that answers, by the names of its client, which most commands do not load."""

_NAMES: Final = {"help_option_names": ["-h", "--help"]}


class _Commands(TyperGroup):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        """Name all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002 - as above
        """Return a command: a module's ``app``, or its function of the same name."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"services.cli.commands.{cmd_name}")
        part = getattr(module, "app", None)
        if part is None:
            part = typer.Typer(context_settings=_NAMES, rich_markup_mode="rich", add_completion=False)
            part.command(name=cmd_name)(getattr(module, cmd_name))
        return _flowing(typer.main.get_command(part))

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the command that is called; where there is none name the nearest, as typer does of loaded ones."""
        if args[0] not in _COMMANDS and (near := difflib.get_close_matches(args[0], _COMMANDS, n=1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Show what is said of all commands, in lines as long as the terminal's."""
        _flow(self)
        super().format_help(ctx, formatter)


def _flowing(command: Command) -> Command:
    """Let the help of a command, and of those in it, break lines where the terminal ends, not where its source did."""
    _flow(command)
    for each in command.commands.values() if isinstance(command, TyperGroup) else ():
        _flow(each)
    return command


def _flow(command: Command) -> None:
    def line_of(text: str) -> str:
        examples = any(line.startswith(" ") for line in text.split("\n"))
        return text if examples else text.replace("\n", " ")

    command.help = "\n\n".join(map(line_of, (command.help or "").split("\n\n")))


app = typer.Typer(
    name="gridline",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=_NAMES,
    epilog=(
        "Exit codes: 0 done · 1 done, and the answer is no · 2 wrong command line · 3 something does not answer · "
        "4 a file or request was refused · 5 the local stack failed · 70 a bug of ours · 130 interrupted · "
        "143 told to end · 141 nobody reads what it says. GRIDLINE_DEBUG=1 shows the traceback of any error."
    ),
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        print(f"gridline {version('gridline')}")
        raise typer.Exit


@app.callback()
def gridline(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Outage-call intake, skill routing, outage merging and dispatch for an electricity hotline.

    [bold]Try it:[/bold]  gridline demo

    [bold]Work with it:[/bold]  gridline stack up;  gridline grid import --network FILE --customers FILE;
    gridline storm;  gridline incidents list;  gridline stack down
    """


def main() -> None:
    """Run a command; an expected failure is told in two lines, a bug keeps its traceback."""
    _let_signals_end_it()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters of it comes as an error of ours
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every letter: LANG
    try:
        try:
            app(prog_name="gridline")
        finally:
            if sys.stdout is not None:  # as with >&-
                sys.stdout.flush()  # or Python does, when it is too late to say anything
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # which typer and rich call a 1
            raise
        code = Exit.UNREAD
    except BrokenPipeError:
        code = Exit.UNREAD
    except Exception as error:
        if os.environ.get("GRIDLINE_DEBUG"):
            raise
        code = _tell(error)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # Python would say so at its end, and end with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _let_signals_end_it() -> None:
    """Let SIGTERM and a closed terminal take Ctrl-C's way out: what is there for a while only is cleared away."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)  # as a shell says it

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # which it is not under nohup
            signal.signal(number, end)


def _tell(error: Exception) -> Exit:
    """Say what is wrong and what to do, where there is anybody to hear it, and return the exit code."""
    what, advice, code = explain(error)
    with suppress(OSError, SystemExit):  # the second is rich's word for a pipe that nobody reads
        err.print(f"[bold red]error:[/bold red] {escape(what)}", soft_wrap=True)
        if advice:
            err.print(f"[bold]do:[/bold] {escape(advice)}", soft_wrap=True)
    return code


def explain(error: Exception) -> tuple[str, str, Exit]:
    """Return what is wrong, what to do, and the exit code."""
    match error:
        case CommandError():
            return error.what, error.advice, error.code
        case SettingsError():
            return str(error), "Correct these environment variables.", Exit.REFUSED
        case NetworkFileError():
            return f"the network files cannot be used:\n{error}", "Correct these lines and run it again.", Exit.REFUSED
        case StackError():
            return str(error), "", Exit.STACK  # its texts carry the next step
        case UnavailableError():
            said = _KAFKA_SAYS.get(type(error.__cause__).__name__)
            return str(error), said or _START, Exit.REFUSED if said else Exit.UNREACHABLE
        case OSError() if error.errno in _FULL:
            what = error.filename or "what there is to say"
            return f"{what} cannot be written: {error.strerror}", "Make room there.", Exit.REFUSED
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}", "Check the path and its permissions.", Exit.REFUSED
        case _:
            return (
                f"a bug of ours: {in_words(error)}",
                "Run it again with GRIDLINE_DEBUG=1 and report what it shows.",
                Exit.BUG,
            )


if __name__ == "__main__":
    main()
