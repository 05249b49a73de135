"""The output of the command line: data on stdout, as tables or as JSON; messages on stderr."""

import json
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 80

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]


def console(*, stderr: bool = False) -> "Console":
    """Where tables and styled text are printed."""
    from rich.console import Console

    terminal = Console(stderr=stderr)
    # A pipe has no width; a width at which no table wraps is better for grep than the 80 columns that rich assumes.
    return terminal if terminal.is_terminal else Console(stderr=stderr, width=160)


def message(text: str) -> None:
    """Print a message for people; if nobody reads messages, nothing happens."""
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print data for machines; times as ``2024-08-05T01:15:00Z``."""
    print(json.dumps(value, indent=2, default=_as_json))


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        from common.timeframes import iso_time, to_ms

        return iso_time(to_ms(value if value.tzinfo is not None else value.replace(tzinfo=UTC)))
    return str(value)


def print_table(rows: Sequence[Iterable[object]]) -> None:
    """Print rows in columns that are as wide as necessary; the last column is not padded."""
    for line in table_lines(rows):
        print(line)


def table_lines(rows: Sequence[Iterable[object]], *, right: Collection[int] = ()) -> Iterator[str]:
    """Rows in columns that are as wide as necessary, those of ``right`` aligned to the right."""
    from rich.cells import cell_len

    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        blanks = (" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        padded = (
            blank + cell if n in right else cell + blank
            for n, (cell, blank) in enumerate(zip(row, blanks, strict=True))
        )
        yield "  ".join(padded).rstrip()


def print_beside(label: str, text: str) -> None:
    """Print a text of any length beside a label, in at most 80 columns."""
    lines = textwrap.wrap(text, _WIDTH - len(label), break_long_words=False, break_on_hyphens=False) or [""]
    for line in lines:
        print(f"{label}{line}".rstrip())
        label = " " * len(label)


def print_frame(frame: Any, json_output: bool, *, empty: str) -> None:
    """Print a frame as a table or as JSON; ``empty`` is the message if it has no rows."""
    if json_output:
        print_json(frame.to_dicts())
    elif frame.is_empty():
        message(empty)
    else:
        from common.console import frame_table

        console().print(frame_table(frame))
