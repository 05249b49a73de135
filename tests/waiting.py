"""Waiting for what other threads and processes do: as long as needed, and never longer than a test may hang."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 30.0
_PAUSE_S = 0.01


def wait_for(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds; fail with ``what`` was waited for if it does not in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s for {what}"
        time.sleep(_PAUSE_S)


async def wait_for_async(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """:func:`wait_for` on an event loop."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s for {what}"
        await asyncio.sleep(_PAUSE_S)
