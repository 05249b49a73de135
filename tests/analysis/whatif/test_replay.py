"""A supposed change is replayed over all conditions: what differs is what two scans differ in, and nobody is named."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import analysis
from analysis.whatif.changes import FilledGaps, OtherDefinition, OtherParameter, SupposedChange
from analysis.whatif.replay import WhatIf, what_if
from candles.fill import fill_gaps
from candles.quality import gaps_between
from common.errors import WhatIfError
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest

TEXTS = (
    "BTCUSDT 1h: rsi(14) crosses_below 35",
    "BTCUSDT 1h: ema(9, rsi(14)) > 60 for 2 bars",
    "ETHUSDT 1h: rsi(21) < 30",
    "ETHUSDT 1h: close > sma(20) and rsi(14)@BTCUSDT < 60",
    "BTCUSDT 1h: macd.histogram crosses_above 0",
    "BTCUSDT 1h: close crosses_above sma(50)",
    "SOLUSDT 4h: rsi(14) < 30",
)
OWNERS = {0: ("ann", "bob"), 1: ("ann",), 2: ("cid",), 5: ("dan",)}
"""Condition -> who has a bot that wants it."""


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    """Two symbols, with a gap of three candles."""
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]),
        pl.col("timeframe") == "1h",
        pl.col("open_time").is_between(datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 8, 10, tzinfo=UTC)),
        ~pl.col("open_time").is_between(datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 8, 1, 2, tzinfo=UTC)),
    ).sort("symbol", "open_time")


@pytest.fixture
def hub(store: FileStore, hourly: pl.DataFrame) -> FileStore:
    store.candles.upsert(hourly)
    sol = hourly.head(1).with_columns(symbol=pl.lit("SOLUSDT"), timeframe=pl.lit("1d"))
    store.candles.upsert(sol)
    conditions = [Condition.parse(text) for text in TEXTS]
    store.registry.register(conditions, active_from_ms=0)
    store.registry.subscribe(
        [
            SubscriptionRequest(user, "bot", conditions[number].id, "dca", {})
            for number, users in OWNERS.items()
            for user in users
        ],
        active_from_ms=0,
    )
    return store


def expected(
    change: SupposedChange, hourly: pl.DataFrame, replaced: dict[str, str], other: pl.DataFrame | None = None
) -> dict[str, tuple[int, int]]:
    """Condition id -> (gone, new), by two scans; ``replaced`` has the texts that change."""
    differences: dict[str, tuple[int, int]] = {}
    for text in TEXTS[:6]:
        condition = Condition.parse(text)
        if not change.concerns(condition):
            continue
        before = set(analysis.scan(text, hourly)["close_time"])
        after = set(analysis.scan(replaced.get(text, text), hourly if other is None else other)["close_time"])
        if before != after:
            differences[condition.id] = len(before - after), len(after - before)
    return differences


def differences_of(result: WhatIf) -> dict[str, tuple[int, int]]:
    return {each.condition_id: (each.gone, each.new) for each in result.conditions}


def test_another_parameter(hub: FileStore, hourly: pl.DataFrame) -> None:
    change = OtherParameter.parse("rsi.period=21")
    result = what_if(hub, change)
    replaced = {text: text.replace("rsi(14)", "rsi(21)") for text in TEXTS}
    differences = expected(change, hourly, replaced)
    assert differences_of(result) == differences
    assert set(differences) == {Condition.parse(TEXTS[number]).id for number in (0, 1, 3)}
    assert (result.registered, result.concerned, result.without_candles) == (7, 3, 1)
    assert (result.owners, result.bots) == (2, 3), "ann has a bot for each of two conditions"
    assert result.gone == sum(gone for gone, _ in differences.values())
    assert result.after - result.before == result.new - result.gone
    assert not any(name in str(asdict(result)) for name in ("ann", "bob", "cid", "dan"))


def test_a_parameter_in_the_middle(hub: FileStore, hourly: pl.DataFrame) -> None:
    change = OtherParameter.parse("macd.slow=30")
    replaced = {TEXTS[4]: "BTCUSDT 1h: macd(12, 30, 9).histogram crosses_above 0"}
    assert differences_of(what_if(hub, change)) == expected(change, hourly, replaced) != {}
    refused = what_if(hub, OtherParameter.parse("macd.slow=12"))
    assert (refused.concerned, refused.refused) == (0, 1)
    assert "macd" in refused.example


def test_gaps_that_are_filled(hub: FileStore, hourly: pl.DataFrame) -> None:
    change = FilledGaps()
    filled = pl.concat([hourly, fill_gaps(hourly, gaps_between(hourly))]).sort("symbol", "open_time")
    result = what_if(hub, change)
    assert differences_of(result) == expected(change, hourly, {}, filled) != {}
    assert result.concerned == 6


def test_another_definition(hub: FileStore, hourly: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "rsi.py"
    # The same formula with half as long a memory: what rsi(7) is.
    path.write_text(
        "import indicators\n"
        "def compute(columns, period):\n"
        "    return indicators.compute('rsi', {'close': columns['source']}, period=period // 2)['value']\n",
        encoding="utf-8",
    )
    change = OtherDefinition.parse(f"rsi={path}")
    replaced = {text: text.replace("rsi(14)", "rsi(7)").replace("rsi(21)", "rsi(10)") for text in TEXTS}
    assert differences_of(what_if(hub, change)) == expected(change, hourly, replaced) != {}


def test_the_same_definition_changes_nothing(hub: FileStore, tmp_path: Path) -> None:
    path = tmp_path / "macd.py"
    path.write_text(
        "import indicators\n"
        "def compute(columns, **parameters):\n"
        "    return indicators.compute('macd', {'close': columns['source']}, **parameters)\n",
        encoding="utf-8",
    )
    result = what_if(hub, OtherDefinition.parse(f"macd={path}"))
    assert (result.concerned, result.before > 0, result.conditions) == (1, True, ())


def test_a_span(hub: FileStore) -> None:
    change, middle = OtherParameter.parse("rsi.period=21"), int(datetime(2024, 7, 20, tzinfo=UTC).timestamp() * 1000)
    whole, first, second = (
        what_if(hub, change),
        what_if(hub, change, until_ms=middle),
        what_if(hub, change, since_ms=middle),
    )
    assert whole.gone == first.gone + second.gone
    assert whole.new == first.new + second.new
    assert 0 < first.before < whole.before


def test_progress_is_told_by_series(hub: FileStore) -> None:
    told: list[tuple[int, int]] = []
    what_if(hub, OtherParameter.parse("rsi.period=21"), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rsi.period", "write rsi.period=21"),
        ("rsii.period=21", "did you mean rsi"),
        ("rsi.length=21", "no parameter 'length'"),
        ("rsi.period=1", "a whole number from 2 to 1000"),
        ("rsi.period=2.5", "a whole number"),
    ],
)
def test_what_is_no_parameter(text: str, says: str) -> None:
    with pytest.raises(WhatIfError, match=says):
        OtherParameter.parse(text)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "no Python file"),
        ("x = 1", "no function compute"),
        ("raise ValueError('x')", "ValueError: x"),
        ("def compute(columns, period): return columns['source'][1:]", r"returns \(\d+,\) for value"),
        ("def compute(columns, period): return columns['nothing']", "the definition of rsi fails: KeyError"),
    ],
)
def test_what_is_no_definition(hub: FileStore, tmp_path: Path, source: str | None, says: str) -> None:
    path = tmp_path / "rsi.py"
    if source is not None:
        path.write_text(source, encoding="utf-8")
    with pytest.raises(WhatIfError, match=says):
        what_if(hub, OtherDefinition.parse(f"rsi={path}"))
