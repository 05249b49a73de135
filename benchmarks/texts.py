"""Reading conditions that people and bots write as texts: what the grammar takes, and what the commonest words take."""

import time
from collections.abc import Callable
from unittest.mock import patch

from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, times
from benchmarks.scale import Scale
from benchmarks.timing import Measure, alternate
from registry.conditions import Condition
from registry.language.as_text import text

_TIMES = 10.0
_TEXTS = 1_000
_SYMBOLS = 500
_SHAPES: dict[str, Callable[[int, float], str]] = {
    "an indicator and a number": lambda period, level: f"rsi({period}) < {level}",
    "two indicators": lambda period, _: f"ema({period}, close) crosses_above ema({period + 20}, close)",
    "an output and a share": lambda period, level: f"bbands({period}, 2).lower > {level} * sma({period}, volume)",
    "two conditions": lambda period, level: f"all(close > sma({period}, close)@4h, rsi({period}, close) < {level})",
    "a window and a negation": lambda period, level: f"close > {level} for 3 bars and not rsi({period}) > 70",
}


def texts(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Different texts of each shape, over many symbols; none is read twice in a round."""
    rows, trees, conditions = [], [], []
    for title, write in _SHAPES.items():
        written = [
            f"BINANCE:COIN{number % _SYMBOLS}USDT 1h: {write(10 + number % 37, 1 + number / 100)}"
            for number in range(_TEXTS)
        ]
        spent = alternate(
            {
                "tree": _reading(written, _tree),
                "tree by grammar": _by_grammar(_reading(written, _tree)),
                "condition": _reading(written, _condition),
                "condition by grammar": _by_grammar(_reading(written, _condition)),
            },
            scale.rounds,
        )
        trees.append(spent["tree by grammar"] / spent["tree"])
        conditions.append(spent["condition by grammar"] / spent["condition"])
        rows.append([title, *(f"{_TEXTS / spent[name]:,.0f}" for name in ("tree", "condition")),
                     times(trees[-1]), times(conditions[-1])])  # fmt: skip
    remark = (
        f"{_TEXTS:,} different texts of each shape over {_SYMBOLS} symbols, texts a second of CPU time. A tree is what "
        "was written; a condition has its canonical text and its id as well. The grammar reads all of the language; "
        "texts in the commonest words are read without it."
    )
    header = ("texts", "trees a second", "conditions a second", "trees over the grammar", "conditions over the grammar")
    target = at_least("reading texts of every shape, over the grammar", _TIMES, min(trees))
    return Section("Reading texts", [Table(remark, header, rows)], [target])


def _reading(written: list[str], read: Callable[[str], object]) -> Measure:
    def measure() -> float:
        started = time.process_time()
        for each in written:
            read(each)
        return time.process_time() - started

    return measure


def _tree(written: str) -> object:
    return text.parse(written, default_exchange="BINANCE")


def _condition(written: str) -> object:
    # Not Condition.parse: it remembers what it has read.
    return Condition.restored(written)


def _by_grammar(measure: Measure) -> Measure:
    def slowly() -> float:
        with patch.object(text, "read_plain", lambda *_: None):
            return measure()

    return slowly
