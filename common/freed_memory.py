"""Memory that C libraries have freed goes back to the system.

glibc keeps what it was given back between blocks that are still in use. DuckDB takes and frees many small ones with
each commit, so that a process that records all day would grow by some kilobytes with each, though nothing is lost.
"""

import ctypes
import sys


def give_back_freed_memory() -> bool:
    """Have glibc return what it does not use, within some milliseconds; false where there is no glibc."""
    if sys.platform != "linux":
        return False
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return False
    trim(0)
    return True
