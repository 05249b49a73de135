"""How far an import of candle files is, on a terminal."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hub.cli.output import console

if TYPE_CHECKING:
    from candles.importing import ImportReport


class ImportProgress:
    """Bars of files and of the candles of the file under way, on stderr; nothing where that is no terminal."""

    def __init__(self, files: int) -> None:
        terminal = console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=terminal,
            disable=not terminal.is_terminal,
            transient=True,
        )
        self._files = self._bars.add_task("files", total=files)
        self._candles: TaskID | None = None

    def file(self, _report: "ImportReport") -> None:
        """A file is done."""
        self._bars.advance(self._files)
        if self._candles is not None:
            self._bars.remove_task(self._candles)
            self._candles = None

    def candles(self, path: Path, stored: int, total: int) -> None:
        """So many candles of a file are stored."""
        if self._candles is None:
            # Text in brackets would be markup.
            self._candles = self._bars.add_task(path.name.replace("[", r"\["), total=total)
        self._bars.update(self._candles, completed=stored)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
