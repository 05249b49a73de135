"""Reads JSON as a table: lists of rows, objects, columns, and the answers of exchanges around them."""

import json
from typing import Any

from candles.files.table import MOMENT, Table, UnreadableError, fields_frame, table_of_rows
from candles.files.text_tables import decoded


def json_table(data: bytes) -> Table:
    """A list of rows, each a list or an object; an object of columns; or an answer that contains one of these."""
    try:
        content = json.loads(decoded(data))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the file is not valid JSON: {error}") from error
    if isinstance(content, dict):
        content = _inside(content)
    if not isinstance(content, list):
        raise UnreadableError("the JSON is not a list of candles")
    return _table(content)


def json_lines_table(data: bytes) -> Table:
    """A list or an object in each line."""
    numbered = [(number, line) for number, line in enumerate(decoded(data).splitlines(), 1) if line.strip()]
    rows: list[Any] = []
    for number, line in numbered:
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"line {number} is not valid JSON: {error}") from error
    return _table(rows, [number for number, _ in numbered])


def _inside(answer: dict[str, Any]) -> object:
    """The rows within an answer; an object of equally long lists is a table by its columns."""
    lists = _lists(answer)
    if len(lists) > 3 and len({len(value) for value in lists.values()}) == 1:
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    objects = {name: value for name, value in answer.items() if isinstance(value, dict)}
    # An object for each time, or, as pandas writes it, one for each column, by the labels of the rows.
    if objects and all(map(_is_label, objects)) and not any(map(_is_label, next(iter(objects.values())))):
        return [{"": label} | row for label, row in objects.items()]
    if len(objects) > 3 and len({tuple(value) for value in objects.values()}) == 1:
        labels = next(iter(objects.values()))
        return [{"": label} | {name: value[label] for name, value in objects.items()} for label in labels]
    parts = [part for value in answer.values() if isinstance(value, list | dict) and (part := _rows(value)) is not None]
    if len(parts) > 1:
        raise UnreadableError(f"the JSON contains {len(parts)} lists; keep the one with the candles")
    return parts[0] if parts else None


def _lists(answer: dict[str, Any]) -> dict[str, list[Any]]:
    """The lists of plain values in an answer, also those of objects within it, as in ``{"t": [...], "quote": [{"open":
    [...], ...}]}``, by their names."""
    lists: dict[str, list[Any]] = {}
    for name, value in answer.items():
        inner = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(inner, dict):
            lists |= _lists(inner)
        elif isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
            lists[name] = value
    return lists


def _is_label(name: str) -> bool:
    """Whether a name in an object is that of a row: a time or a number."""
    return name.isdecimal() or MOMENT.match(name) is not None


def _rows(value: list[Any] | dict[str, Any]) -> object:
    if isinstance(value, dict):
        return _inside(value)
    return value if value and all(isinstance(row, list | dict) for row in value) else None


def _table(content: list[Any], lines: list[int] | None = None) -> Table:
    if all(isinstance(row, list) for row in content):
        names, rows = None, content
    elif all(isinstance(row, dict) for row in content):
        # The prices of an object within a row, as in {"time": ..., "mid": {"o": ...}}, are columns like the others.
        flat = [_flat(row) for row in content]
        names = list(dict.fromkeys(name for row in flat for name in row))
        rows = [[row.get(name) for name in names] for row in flat]
    else:
        raise UnreadableError("the JSON is neither a list of lists nor a list of objects")
    fields = [[None if cell is None else str(cell) for cell in row] for row in rows]
    numbered = fields_frame(lines or range(1, len(fields) + 1), fields)
    return table_of_rows(numbered, names=names, may_have_header=False)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= {f"{name} {part}": cell for part, cell in value.items()} if isinstance(value, dict) else {name: value}
    return flat
