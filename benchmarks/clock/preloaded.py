"""Another clock for this process and all that it starts: ``preloaded_clock.c``, preloaded."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_SOURCE = Path(__file__).with_name("preloaded_clock.c")
_NAME = "PRELOADED_CLOCK"


class NoOtherClock(Exception):
    """The clock of a process cannot be another one here; the message says why."""


def run_by_clock(
    module: str, arguments: Sequence[str], folder: Path, *, speed: float = 1.0, starts_ms: int | None = None
) -> None:
    """Start this program, a module of this project, again by another clock; does nothing if it runs by one already, or
    is not to. For the arguments see :func:`clock_environment`. Raises :class:`NoOtherClock`."""
    if (speed == 1 and starts_ms is None) or _NAME in os.environ:
        return
    environment = os.environ | clock_environment(folder, speed=speed, starts_ms=starts_ms)
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


def clock_environment(folder: Path, *, speed: float = 1.0, starts_ms: int | None = None) -> dict[str, str]:
    """What makes the clock of a process show ``starts_ms`` (milliseconds since 1970; the present unless told otherwise)
    at this moment and run ``speed`` times as fast from then on; its library is compiled into ``folder``. Raises
    :class:`NoOtherClock`."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise NoOtherClock("another clock needs Linux and a C compiler")
    library = folder / "preloaded_clock.so"
    flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run([compiler, *flags], check=True)
    now_ns = time.time_ns()
    shown_ns = now_ns if starts_ms is None else starts_ms * 1_000_000
    return {"LD_PRELOAD": str(library), _NAME: f"{speed} {now_ns} {shown_ns} {time.monotonic_ns()}"}
