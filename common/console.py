"""Progress of long work, and tables, on a terminal."""

from types import TracebackType
from typing import Self

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table


class ConsoleProgress:
    """One progress bar per phase on a terminal; elsewhere one line per phase."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._phase = ""
        self._total = 0

    def begin(self, phase: str, total: int) -> None:
        """Start a phase of ``total`` steps."""
        self._phase, self._total = phase, total
        self._bar = self._bars.add_task(phase, total=total)
        if not self._console.is_terminal:
            self._console.print(f"{phase} …", highlight=False)

    def step(self, done: int) -> None:
        """Show that ``done`` steps of the phase are complete."""
        if self._bar is not None:
            self._bars.update(self._bar, completed=done)

    def end(self) -> None:
        """Finish the phase."""
        self.step(self._total)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def frame_table(frame: pl.DataFrame) -> Table:
    """A frame as a table: times in UTC to the minute, numbers right-aligned."""
    table = Table()
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left")
    for row in frame.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.8g}"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
