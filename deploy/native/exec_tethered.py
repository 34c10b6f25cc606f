"""Become another program that dies with the process that started it.

Run as a script: `exec_tethered.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM ARGUMENT...` (UID and GID empty: stay who
we are). It replaces itself, so the program keeps this process id.

Decided here: the tether. On Linux the kernel sends DEATH_SIGNAL when the thread that started us ends, even by
kill -9 (prctl(2), PR_SET_PDEATHSIG). macOS has no such call: there the program outlives a killed supervisor until
the next `gridline stack up` or `down`, which reads the process ids from the state file.
Never here: an import outside the standard library, or anything slow. It runs before every server and service.

It exists because Popen(preexec_fn=...) is unsafe, and warns, in a process with threads. The order matters: the kernel
clears the death signal when the user changes, so it is set last.
"""

from __future__ import annotations

import ctypes  # at the top: another account may be unable to read Python's own library
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Switch account if asked, tie this process to its parent, and become the program."""
    parent, death_signal, uid, gid, program, *rest = arguments
    if uid:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
        os.umask(0o077)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the process that started this one is gone")
    try:
        os.execv(program, [program, *rest])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"cannot run {program}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
