"""A clock that runs faster, for this process and all that it starts: ``faster_clock.c``, preloaded."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_SOURCE = Path(__file__).with_name("faster_clock.c")
_NAME = "FASTER_CLOCK"


class NoFasterClock(Exception):
    """The clock cannot be made to run faster here; the message says why."""


def run_faster(speed: float, arguments: Sequence[str], folder: Path) -> None:
    """Start this program again with its clock running ``speed`` times as fast; does nothing if it does already, or is
    not to. Raises :class:`NoFasterClock`."""
    if speed == 1 or _NAME in os.environ:
        return
    environment = os.environ | faster_environment(speed, folder)
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks.soak", *arguments], environment)


def faster_environment(speed: float, folder: Path) -> dict[str, str]:
    """What makes the clock of a process run ``speed`` times as fast from now on; its library is compiled into
    ``folder``. Raises :class:`NoFasterClock`."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise NoFasterClock("a faster clock needs Linux and a C compiler; leave --speed out to run in real time")
    library = folder / "faster_clock.so"
    flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run([compiler, *flags], check=True)
    origins = f"{speed} {time.time_ns()} {time.monotonic_ns()}"
    return {"LD_PRELOAD": str(library), _NAME: origins}
