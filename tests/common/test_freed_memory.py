"""What was freed between blocks in use goes back to the system."""

import subprocess
import sys

import pytest

GROWN = """
import ctypes
from pathlib import Path
from common.freed_memory import give_back_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(60_000) for _ in range(2_000)]
for block in blocks:
    ctypes.memset(ctypes.c_void_p(block), 1, 60_000)
for block in blocks[:-1]:
    libc.free(block)
before = resident()
done = give_back_freed_memory()
print(done, before - resident() > 60_000_000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc")
def test_freed_memory_below_a_block_in_use_is_given_back() -> None:
    assert (
        subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True).stdout
        == "True True\n"
    )
