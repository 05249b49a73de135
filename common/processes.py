"""What the system knows about a process: enough to tell it from a later one that was given the same number.

    python common/processes.py NOTE LOCK COMMAND …

notes its own process and then becomes the command (:func:`become`). It is run as a file, because importing the package
takes ten times as long.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, NoReturn

GONE = "gone"
"""The start time of a process that there is not; a zombie counts as gone."""

UNKNOWN = "unknown"
"""The start time of a process that exists, but of which the system tells nothing more at the moment: for lack of file
descriptors, for instance."""

NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
"""Errors that say nothing about a file or a process, only that too many files are open."""

ProcessState = Literal["running", "gone", "unknown"]


def start_time(pid: int) -> str:
    """When a process started, in the system's own format; or ``GONE`` or ``UNKNOWN``."""
    if not _exists(pid):
        return GONE
    try:
        # Linux: the 22nd field of stat; the command name before it may contain spaces and ends at the last bracket.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _start_time_without_stat(pid)
    return GONE if state == "Z" else fields[18]


def state_of(pid: int, started: str) -> ProcessState:
    """Whether the process that started then is still running. ``unknown`` does not mean that it has died."""
    now = start_time(pid)
    if now == UNKNOWN or (started == UNKNOWN and now != GONE):
        return "unknown"
    return "running" if now == started else "gone"


def _exists(pid: int) -> bool:
    """Whether there is a process or a zombie with this number. Needs no file descriptor, so it never lacks one."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # it belongs to somebody else
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _start_time_without_stat(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        # It may have ended since it was asked for.
        return UNKNOWN if _exists(pid) else GONE
    try:
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return UNKNOWN
    return shown.stdout.strip().replace(" ", "_") or GONE


def become(note: Path, lock: int, command: list[str]) -> NoReturn:
    """Write this process's number and start time into ``note``, and continue as another program.

    If the parent wrote them, it could be killed before it did, and its child would be lost. ``lock`` is a locked file
    inherited from the parent: a process that waits for it finds the note.
    """
    pid = os.getpid()
    note.write_text(f"{pid} {start_time(pid)}")
    os.set_inheritable(lock, False)
    os.execv(command[0], command)


if __name__ == "__main__":
    become(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
