"""What the system knows of a process: enough to tell it from another one that gets its number later."""

import subprocess
from pathlib import Path


def start_time(pid: int) -> str:
    """When a process started, in the system's own words; ``gone`` if there is none (a zombie counts as gone)."""
    try:
        # Linux: the 22nd field of stat; the command name before it may hold spaces and ends with the last bracket.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _start_time_from_ps(pid)
    return "gone" if state == "Z" else fields[18]


def _start_time_from_ps(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return "gone"
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip().replace(" ", "_") or "gone"
