"""Numbers of things read as people write them."""

from common.counted import counted


def test_one_thing_is_not_several() -> None:
    assert [counted(count, "run") for count in (0, 1, 2, 1_234)] == ["0 runs", "1 run", "2 runs", "1,234 runs"]
    assert [counted(count, "series is", "series are") for count in (1, 2)] == ["1 series is", "2 series are"]
