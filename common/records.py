"""Many records of a frozen dataclass at once, from columns.

The ``__init__`` of a frozen dataclass sets each field by a call of its own, which takes seven times as long as this for
a record of a dozen fields. It matters where there are ten thousand of them.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import repeat
from typing import Any, TypeVar

_Record = TypeVar("_Record")


def records_of(kind: type[_Record], count: int, columns: Mapping[str, Iterable[object]]) -> list[_Record]:
    """``count`` records of a dataclass with ``slots=True`` and without ``__post_init__``, equal to those that its
    ``__init__`` would make.

    ``columns`` has the values of every field, also of those with defaults: a list of ``count`` values, or
    ``itertools.repeat`` of one. Raises :class:`ValueError` for a field that is missing or a list of another length.
    """
    names: Collection[str] = getattr(kind, "__slots__")  # noqa: B009 - dataclasses add it
    sizes = {len(column) for column in columns.values() if isinstance(column, Collection)}
    if set(names) != columns.keys() or sizes - {count} or hasattr(kind, "__post_init__"):
        raise ValueError(f"these columns do not make {count} records of {kind.__name__}")
    make: Any = object.__new__
    records = list(map(make, repeat(kind, count)))
    for name, column in columns.items():
        deque(map(getattr(kind, name).__set__, records, column), maxlen=0)
    return records
