"""How far a long operation has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Is called with how much is done and how much there is in all."""


@contextmanager
def reporting(progress: Progress | bool) -> Iterator[Progress]:
    """Whom to tell: ``progress`` itself, a bar on stderr that goes away at the end if it is true, else nobody."""
    if progress is False:
        yield lambda done, total: None  # noqa: ARG005
    elif progress is not True:
        yield progress
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("conditions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("")
            yield lambda done, total: bar.update(task, completed=done, total=total)
