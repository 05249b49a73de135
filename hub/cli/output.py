"""The output of the command line: data on stdout, as tables or as JSON; messages on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

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
    """Print data for machines."""
    print(json.dumps(value, indent=2, default=str))


def print_table(rows: Sequence[Iterable[object]]) -> None:
    """Print rows in columns that are as wide as necessary; the last column is not padded."""
    from rich.cells import cell_len

    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def print_frame(frame: Any, json_output: bool, *, empty: str) -> None:
    """Print a frame as a table or as JSON; ``empty`` is the message if it has no rows."""
    if json_output:
        print_json(frame.to_dicts())
    elif frame.is_empty():
        message(empty)
    else:
        from common.console import frame_table

        console().print(frame_table(frame))
