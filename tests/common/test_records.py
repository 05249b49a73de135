"""Records made from columns are those that their constructor makes."""

from dataclasses import FrozenInstanceError, dataclass
from itertools import repeat

import pytest

from common.records import records_of


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True)
class Positive:
    number: int

    def __post_init__(self) -> None:
        assert self.number > 0


def test_they_are_equal_and_as_frozen() -> None:
    points = records_of(Point, 3, {"name": ["a", "b", "c"], "x": range(3), "y": repeat(7)})
    assert points == [Point("a", 0, 7), Point("b", 1, 7), Point("c", 2, 7)]
    assert hash(points[0]) == hash(Point("a", 0, 7))
    with pytest.raises(FrozenInstanceError):
        points[0].x = 1  # type: ignore[misc]
    assert records_of(Point, 0, {"name": [], "x": [], "y": repeat(7)}) == []


def test_a_field_that_is_missing_or_a_column_that_is_too_short_or_too_long_is_refused() -> None:
    names = {"name": ["a"]}
    for columns in (names | {"x": [1]}, names | {"x": [], "y": [1]}, names | {"x": [1, 2], "y": [1]}):
        with pytest.raises(ValueError, match="1 records of Point"):
            records_of(Point, 1, columns)


def test_a_kind_that_checks_its_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="Positive"):
        records_of(Positive, 1, {"number": [-1]})
