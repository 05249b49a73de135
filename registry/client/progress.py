"""Reports how far a long operation has got."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

ProgressCallback = Callable[[int, int], None]
"""Is called with how much is done and how much there is in total."""


@contextmanager
def reporting(progress: ProgressCallback | bool) -> Iterator[ProgressCallback]:
    """What to report to: ``progress`` itself, or, if it is true, a bar on stderr that disappears at the end."""
    if progress is False:
        yield lambda done, total: None  # noqa: ARG005
    elif progress is not True:
        yield progress
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("conditions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("")
            yield lambda done, total: bar.update(task, completed=done, total=total)
