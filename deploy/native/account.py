"""Running Postgres when we are root: it refuses root, so it runs as an account without rights.

Decided here: which account (`nobody`), whether it can reach a path, and where its files go when it cannot (a project
under a home of mode 0700): a folder of our own under /var/tmp.
Never here: making a system user, or changing the permissions of a folder we did not make.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = ("nobody", "daemon")
_OUTSIDE = Path("/var/tmp")  # noqa: S108 - outlives a reboot; `_ours` refuses what others put there
_SHELL = "/bin/sh"
_NOT_TO_RUN = shutil.ignore_patterns("*.a", "include", "pkgconfig")


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine that is not root."""

    name: str
    uid: int
    gid: int


def account_for_postgres() -> Account | None:
    """The account to switch to; None when we are not root and need no other.

    Raises:
        StackError: we are root and the machine has no account without rights.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        "Postgres refuses to run as root, and this machine has no account named nobody to run it as. "
        "Run this as an ordinary user, or point GRIDLINE_POSTGRES_DSN at a Postgres that runs already."
    )


def can_reach(account: Account | None, path: Path) -> bool:
    """Whether the account can open what is in this folder (or this file), however permissions are given."""
    if account is None:
        return True
    try:
        tried = subprocess.run(
            [_SHELL, "-c", 'test -r "$1" && test -x "$1"', _SHELL, str(path)],
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except OSError:
        return False
    return tried.returncode == 0


def own_folder_name(purpose: str, *parts: str) -> Path:
    """The path of a folder of ours outside the project: /var/tmp/gridline-<purpose>-<uid>-<hash of parts>."""
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return _OUTSIDE / f"gridline-{purpose}-{os.geteuid()}-{key}"


def folder_for(account: Account | None, folder: Path) -> Path:
    """The folder itself where the account can reach it, else one outside the project that stands for it.

    Raises:
        StackError: that place is taken by somebody else's folder.
    """
    outside = own_folder_name("data", str(folder.resolve()))
    if account is None or not outside.exists():  # once there, it stays there: it holds the data
        folder.mkdir(parents=True, exist_ok=True)
        if can_reach(account, folder):
            return folder
        outside.mkdir(mode=0o755, exist_ok=True)
    return _ours(outside)


def copy_for(account: Account | None, root: Path, parts: Sequence[str], version: str) -> Path:
    """`root` itself where the account can run what is in it, else a copy of some of its folders, made once.

    Args:
        account: who shall run it.
        root: folder that holds the parts.
        parts: folders below `root`, those that exist are copied; the first decides whether `root` is reachable.
        version: a part of the copy's name, so that another version gets another copy.

    Raises:
        StackError: the copy's place is taken by somebody else's folder.
    """
    if can_reach(account, root / parts[0]):
        return root
    place = own_folder_name("programs", version, str(root))
    if not place.exists():
        partial = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=_OUTSIDE))
        try:
            for part in parts:
                if (root / part).is_dir():
                    shutil.copytree(root / part, partial / part, symlinks=True, ignore=_NOT_TO_RUN)
            _open_to_all(partial)
            with contextlib.suppress(OSError):  # another start made the same copy meanwhile
                partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _ours(place)


def _open_to_all(folder: Path) -> None:
    """Readable by anyone, writable by us alone; programs stay programs."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _ours(folder: Path) -> Path:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StackError(
            f"{folder} is not a folder of this user alone, so nothing is run from it or kept in it. Remove it."
        )
    folder.chmod(0o755)  # whatever the umask was: the account must pass through
    return folder
