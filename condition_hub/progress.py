"""Reports how far a long operation has got."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ProgressCallback = Callable[[int, int], None]
"""Is called with how much is done and how much there is in total."""


@contextmanager
def reporting(progress: ProgressCallback | bool) -> Iterator[ProgressCallback]:
    """What to report to: ``progress`` itself, or, if it is true, a line on stderr that disappears at the end; nothing
    where stderr is no terminal."""
    if progress is False or (progress is True and not sys.stderr.isatty()):
        yield lambda done, total: None  # noqa: ARG005
    elif progress is not True:
        yield progress
    else:
        try:
            yield lambda done, total: _show(f"{done:,} of {total:,} conditions")
        finally:
            _show("")


def _show(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
