"""One process at a time compiles a kernel; the others wait, and then load what it has written.

Numba writes the index of its cache before the code that the index names, under numbers that two processes choose alike.
So a process that loads a kernel while others compile it could get the code of another signature, or of an older source,
and would crash or compute with it. Besides, whoever waits saves the minutes that the other one spends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def compiling(name: str) -> Iterator[None]:
    """Keep other processes from compiling or loading the kernels of that name while the block runs.

    Where the cache cannot be written, numba does not write to it either, and nobody has to wait.
    """
    # With the kernels comes the compiler, and not everybody who imports this module needs it.
    from indicators._kernels import program

    folder = Path(program.advance.stats.cache_path or ".")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name.replace(' ', '_')}.lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
