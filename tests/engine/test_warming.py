"""After warming, a process compiles nothing more, whatever it judges."""

from engine.evaluate import import_kernels
from engine.warming import warm


def test_histories_are_warm_whole_and_in_part() -> None:
    warm(lambda _: None)
    layouts = {signature[0].layout for signature in import_kernels().show_candles.signatures}
    assert layouts == {"A", "C"}, "the last block of a long history is a part of an array"
