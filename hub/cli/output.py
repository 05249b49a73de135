"""How the command line speaks: data on stdout, as tables or as JSON, messages on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]


def console(*, stderr: bool = False) -> "Console":
    """Where to print what is laid out."""
    from rich.console import Console

    found = Console(stderr=stderr)
    # A pipe has no width: one that holds every table unbroken is kinder to grep than the 80 columns rich takes.
    return found if found.is_terminal else Console(stderr=stderr, width=160)


def message(text: str) -> None:
    """Tell people something."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Data for machines."""
    print(json.dumps(value, indent=2, default=str))


def print_table(rows: Sequence[Iterable[object]]) -> None:
    """Rows in columns that are as wide as they need to be; the last one is not filled up."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_frame(frame: Any, json_output: bool, *, empty: str) -> None:
    """A frame as a table or as JSON; ``empty`` is said where there is no row."""
    if json_output:
        print_json(frame.to_dicts())
    elif frame.is_empty():
        message(empty)
    else:
        from common.console import frame_table

        console().print(frame_table(frame))
