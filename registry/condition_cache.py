"""Conditions that were parsed before, by their exact spelling.

Bots send the same few conditions again and again, and users tune a number: a source that was seen before costs one
look-up, and one that differs only in the number it compares with costs little more.
"""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from cachetools import LRUCache

from registry.language.tree import LARGEST_NUMBER

if TYPE_CHECKING:
    from registry.conditions import Condition

_LONGEST_SOURCE, _MOST_FIELDS = 400, 12
"""Nearly all sources are smaller; larger ones are parsed each time."""
_CAPACITY = 32 * 1024 * 1024
"""Bytes of memory."""
_MEMORY, _MEMORY_TYPED, _MEMORY_CANONICAL = 1_000, 30, 14
"""As measured: bytes of a condition, of a character as it was written, and of one of canonical text."""
_MOST_SHAPES = 4_096
_PLAIN = frozenset({str, int, float, bool, type(None)})

Written = str | tuple[object, ...]
"""A text, or the names, types and values of the fields of a flat object: equal only if written alike."""


class ConditionCache:
    """The conditions used most recently, in so many bytes of memory. Safe to use from several threads.

    With the size that it has by default, some 16,000 ordinary conditions fit in, and huge ones cannot fill it alone.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        # cachetools would take as long as working out a condition that differs only in a number.
        self._conditions: OrderedDict[object, Condition] = OrderedDict()
        self._memory = 0

    def get(self, key: object) -> "Condition | None":
        """The condition kept under a key, ``None`` if there is none."""
        with self._lock:
            condition = self._conditions.get(key)
            if condition is not None:
                self._conditions.move_to_end(key)
            return condition

    def put(self, key: object, condition: "Condition") -> "Condition":
        """Keep a condition under a key, unless it is larger than the whole cache, and return it."""
        size = memory_of(condition)
        if size > self._capacity:
            return condition
        with self._lock:
            replaced = self._conditions.pop(key, None)
            self._memory += size - (0 if replaced is None else memory_of(replaced))
            self._conditions[key] = condition
            while self._memory > self._capacity:
                self._memory -= memory_of(self._conditions.popitem(last=False)[1])
        return condition

    @property
    def memory(self) -> int:
        """Bytes of memory that they take, as estimated."""
        return self._memory

    def __len__(self) -> int:
        """Number of conditions kept."""
        return len(self._conditions)


class ShapeCache:
    """Shapes of conditions used most recently. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shapes: LRUCache[tuple[str, bool, bool, bool], None] = LRUCache(_MOST_SHAPES)

    def __contains__(self, shape: tuple[str, bool, bool, bool]) -> bool:
        with self._lock:
            try:
                self._shapes[shape]
            except KeyError:
                return False
            return True

    def add(self, shape: tuple[str, bool, bool, bool]) -> None:
        """Keep a shape, unless it is a long text."""
        if len(shape[0]) <= _LONGEST_SOURCE:
            with self._lock:
                self._shapes[shape] = None


def as_written(source: object) -> tuple[Written | None, float | None]:
    """A source without the number that a flat object compares with; and that number, if there is one.

    A 0 is left in: a comparison with 0 may be written in another way (``registry.language.canonical``, rule 3).
    The source is ``None`` if it is too large, or not flat.
    """
    if isinstance(source, str):
        return (source if len(source) <= _LONGEST_SOURCE else None), None
    if type(source) is not dict or len(source) > _MOST_FIELDS:
        return None, None
    fields: list[object] = []
    threshold: float | None = None
    for name, value in source.items():
        kind = type(value)
        if kind is float or kind is int:
            if name == "value" and 0 < abs(value) <= LARGEST_NUMBER:
                threshold = float(value)
                continue
            # -0.0 equals 0.0 and is written differently.
            fields += (name, kind, repr(value) if kind is float else value)
        elif kind not in _PLAIN or (kind is str and len(value) > _LONGEST_SOURCE):
            return None, None
        else:
            fields += (name, kind, value)
    return tuple(fields), threshold


def memory_of(condition: "Condition") -> int:
    """Bytes of memory that a condition takes with its trees; estimated from its texts, and never much too low."""
    return _MEMORY + _MEMORY_TYPED * len(condition.text) + _MEMORY_CANONICAL * len(condition.canonical)
