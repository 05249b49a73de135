"""What every kind of file becomes: columns by position, with what its header says of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

_NUMBER = re.compile(r"[-+]?[$€£¥]?\s?(?:\d[\d,.]*|\.\d+)(?:[eE][-+]?\d+)?\s?[KMB%]?")
MOMENT = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{8,}")
"""How a written time begins, or an epoch number."""
_DECIMAL_COMMA = r"^[-+]?(?:\d{1,3}(?:\.\d{3})+,\d+|\d+,(?:\d{1,2}|\d{4,}))$"
"""Numbers with a comma that cannot stand before thousands."""
_ANY_COMMA = r"^[-+]?[\d.]+,\d+$"
_COMMA_BEFORE_THOUSANDS = r"^[-+]?[$€£¥]?\d{1,3}(?:,\d{3})+\.\d"
HEADER_LINES = 20
"""How many lines before the first row are looked at: vendors' addresses, licences and names of several levels."""


class UnreadableError(Exception):
    """What is wrong with a file's bytes, without the path, which the caller adds."""


@dataclass(frozen=True)
class Table:
    """Columns by position.

    ``names`` has the cells of the header above each column, from top to bottom: mostly one, several where a header has
    several lines, none in a file without a header. ``lines`` numbers the rows within the file, 1-based; for text
    files, as an editor shows them. ``malformed`` marks rows whose number of fields differs from the others'.
    """

    names: tuple[tuple[str, ...], ...]
    columns: tuple[pl.Series, ...]
    lines: pl.Series
    malformed: pl.Series
    odd_header: tuple[str, ...] = ()
    """A header that names another number of columns than the rows have, so that nobody knows which is which."""
    decimal_comma: bool = False
    """Whether ``1,5`` is one and a half, and ``1.234`` more than a thousand."""

    @property
    def has_header(self) -> bool:
        """Whether a line of the file, or the file's own structure, names the columns."""
        return any(self.names)

    def name(self, position: int) -> str:
        """One column as the file names it, for messages."""
        return repr("/".join(filter(None, self.names[position])))

    def shown_names(self) -> str:
        """The columns as the file names them, for messages."""
        if not self.has_header:
            return f"{len(self.columns)} columns without a header"
        return ", ".join("/".join(filter(None, cells)) or "(no name)" for cells in self.names)


def table_of_frame(frame: pl.DataFrame) -> Table:
    """A frame as a table; its rows are numbered from 1."""
    lines = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True)
    malformed = pl.repeat(False, frame.height, eager=True)
    return Table(tuple((name,) for name in frame.columns), tuple(frame.get_columns()), lines, malformed)


def fields_frame(lines: Sequence[int], fields: Sequence[Sequence[str | None]]) -> pl.DataFrame:
    """Rows of text cells for :func:`table_of_rows`."""
    return pl.DataFrame({"line": lines, "fields": fields}, schema={"line": pl.Int64(), "fields": pl.List(pl.String())})


def table_of_rows(
    rows: pl.DataFrame, *, names: Sequence[str] | None = None, may_have_header: bool = True, delimiter: str = ","
) -> Table:
    """Rows of text cells (columns ``line`` and ``fields``) as a table; ``delimiter`` is what separated them.

    Without ``names``, the lines before the first row that can be a candle's are its header. Raises
    :class:`UnreadableError` if no rows are left.
    """
    header: list[list[str]] = [] if names is None else [list(names)]
    if names is None and may_have_header:
        header = header_of(rows["fields"].head(HEADER_LINES + 1).to_list())
        rows = rows[len(header) :]

    def columns(width: int) -> pl.DataFrame:
        cell = pl.col("fields").list
        fields = (cell.get(position, null_on_oob=True).alias(str(position)) for position in range(width))
        return rows.select(field.str.strip_chars() for field in fields)

    return table_of_cells(header, rows["line"], rows["fields"].list.len(), columns, delimiter=delimiter)


def table_of_cells(
    header: Sequence[Sequence[str]],
    lines: pl.Series,
    counts: pl.Series,
    columns: Callable[[int], pl.DataFrame],
    *,
    delimiter: str,
) -> Table:
    """A table of text cells: its header, the number and the count of fields of each row, and its first columns, whose
    cells are stripped.

    Raises :class:`UnreadableError` if there are no rows.
    """
    if lines.is_empty():
        raise UnreadableError("the file contains no rows")
    named_above = [list(line) for line in header]
    width = int(counts.mode().min())  # type: ignore[arg-type]
    cells = columns(width).get_columns()
    # A delimiter at the end of each row makes one more column, which has no name and no values.
    if named_above and width == len(named_above[-1]) + 1 and (cells[-1].fill_null("") == "").all():
        named_above[-1].append("")
    named = [line for line in named_above if len(line) == width]
    odd = named_above[-1] if named_above and not named and len(named_above[-1]) > 1 else []
    over = tuple(tuple(line[position] for line in named) for position in range(width))
    return Table(over, tuple(cells), lines, counts != width, tuple(odd), _has_decimal_commas(cells, delimiter))


def _has_decimal_commas(columns: Sequence[pl.Series], delimiter: str) -> bool:
    with_commas = [column for column in columns if column.str.contains(",", literal=True).any()]
    pattern = _DECIMAL_COMMA if delimiter == "," else _ANY_COMMA
    return any(column.str.contains(pattern).any() for column in with_commas) and not any(
        column.str.contains(_COMMA_BEFORE_THOUSANDS).any() for column in with_commas
    )


def header_of(first: Sequence[Sequence[str | None]]) -> list[list[str]]:
    """Those of a file's first lines that come before its rows; there have to be :data:`HEADER_LINES` and one more."""
    lines = [[(cell or "").strip() for cell in fields] for fields in first]
    for number, cells in enumerate(lines):
        positions = [str(position) for position in range(len(cells))]
        numbered = cells in (positions, ["", *positions[:-1]])
        if not numbered and _begins_rows(cells):
            return lines[:number]
    return lines[:1]


def _begins_rows(cells: list[str]) -> bool:
    """Whether a line has numbers, or begins with a moment: a row without prices has nothing else."""
    return any(_NUMBER.fullmatch(cell) or cell.lower() == "nan" for cell in cells) or bool(MOMENT.match(cells[0]))
