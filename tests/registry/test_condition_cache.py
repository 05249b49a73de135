"""Parsing what was parsed before: the same condition, in bounded memory, from any number of threads."""

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry import Condition, conditions
from registry.condition_cache import ConditionCache, ShapeCache, memory_of

FLAT = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "rsi", "operator": "<"}


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    monkeypatch.setattr(conditions, "_READ_BACK", ShapeCache())


def test_a_text_and_a_stored_text_are_parsed_once() -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi < 30")
    assert Condition.parse("BTCUSDT 1h: rsi < 30") is condition
    assert Condition.parse("BTCUSDT 1h: rsi < 30", default_exchange="KRAKEN") != condition
    stored = Condition.from_short(condition.text, condition.id)
    assert stored == condition
    assert Condition.from_short(condition.text, condition.id) is stored


def test_what_has_been_read_back_at_its_registration_is_not_read_again() -> None:
    condition = Condition.parse("BTCUSDT 1h: sma(18) < 0")
    condition.check_reads_back()
    assert Condition.from_short(condition.text, condition.id) is condition


def test_a_condition_is_read_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose shape has been read back is not read back at all."""
    read: list[str] = []
    restored = Condition.restored

    def restore(spelling: str) -> Condition:
        read.append(spelling)
        return restored(spelling)

    monkeypatch.setattr(Condition, "restored", restore)
    for threshold in (0, 30, 31):
        condition = Condition.parse(f"BTCUSDT 1h: sma(18) < {threshold}")
        condition.check_reads_back()
        condition.check_reads_back()
    assert [text for text in read if "sma" in text] == [
        "BINANCE:BTCUSDT 1h: sma(18, close) < 0",
        "BINANCE:BTCUSDT 1h: sma(18, close) < 30",
    ]


def test_a_flat_object_without_a_threshold_is_not_one_with_a_threshold() -> None:
    macd = {**FLAT, "indicator": "macd", "component": "histogram"}
    above_five = Condition.parse({**macd, "value": 5})
    around_zero = Condition.parse(macd)
    assert above_five.canonical.endswith("< 5")
    assert around_zero.canonical.endswith("line < macd(12, 26, 9, close).signal")
    assert Condition.parse({**macd, "value": 6}).canonical.endswith("< 6")
    assert Condition.parse(macd) is around_zero


def test_long_conditions_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ConditionCache(200_000)
    monkeypatch.setattr(conditions, "_CACHE", cache)
    small = Condition.parse({**FLAT, "value": 30})
    large = Condition._parse("BTCUSDT 1h: close rises_by 1% within 500 bars", None, None, "BINANCE")
    assert memory_of(large) > 200_000 > len(large.canonical)
    assert cache.put("large", large) is large
    assert cache.get("large") is None, "larger than the whole cache"
    assert cache.get(small.canonical) is None
    for number in range(200):
        Condition.parse(f"BTCUSDT 1h: close > {number}")
    assert 200_000 - 3_000 <= cache.memory <= 200_000
    assert 60 < len(cache) < 150
    assert Condition.parse("BTCUSDT 1h: close > 199") is Condition.parse("BTCUSDT 1h: close > 199")


@pytest.mark.parametrize(
    "text",
    [
        "rsi(14) < 30",
        " and ".join(f"close > {number}.123" for number in range(32)),
        "+".join(["close"] * 31) + " > 1",
        "any(close rises_by 1% within 500 bars, close > 2)",
        "rsi(14)@4h + ema(3) rises_by 1% within 300 bars",
    ],
)
def test_the_memory_of_a_condition_is_not_underestimated(text: str) -> None:
    condition = Condition.parse(f"BTCUSDT 1h: {text}")
    assert size(condition, set()) < 1.2 * memory_of(condition)


def size(value: object, seen: set[int]) -> int:
    """Bytes of a value and of everything that it consists of."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    parts = value if isinstance(value, tuple) else [getattr(value, name) for name in getattr(value, "__slots__", ())]
    return sys.getsizeof(value) + sum(size(part, seen) for part in parts)


def test_many_threads_get_the_same_conditions() -> None:
    def work(number: int) -> list[str]:
        texts = [f"BTCUSDT 1h: close > {(number + turn) % 7}" for turn in range(70)]
        flats: list[Mapping[str, object]] = [{**FLAT, "value": (number * turn) % 11 + 1} for turn in range(70)]
        return [Condition.parse(text).id for text in texts] + [Condition.parse(flat).id for flat in flats]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))
    assert answers == [work(number) for number in range(8)]
    assert len({condition_id for ids in answers for condition_id in ids}) == 18
