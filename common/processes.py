"""What the system knows about a process: enough to tell it from a later one that was given the same number.

    python common/processes.py NOTE LOCK COMMAND …

notes its own process and then becomes the command (:func:`become`). It is run as a file, because importing the package
takes ten times as long.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn


def start_time(pid: int) -> str:
    """When a process started, in the system's own format; ``gone`` if there is none (a zombie counts as gone)."""
    try:
        # Linux: the 22nd field of stat; the command name before it may contain spaces and ends at the last bracket.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _start_time_from_ps(pid)
    return "gone" if state == "Z" else fields[18]


def _start_time_from_ps(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return "gone"
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip().replace(" ", "_") or "gone"


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
