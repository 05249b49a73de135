"""The candles of a rule test: those that it writes in the short notation, and recorded ones."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.rule_tests.cases import BarValues, SeriesCase
from analysis.rule_tests.located import Located
from analysis.rule_tests.notation import read_values
from candles.files.options import ImportOptions
from candles.files.raw import CANDLE_SCHEMA
from candles.files.reading import read_candles
from candles.quality import check
from common.candle_columns import VALUES
from common.timeframes import normalise_timeframe, read_time, show_time
from engine.calendars import Calendars
from engine.candle_history import open_times
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import normalise_instrument
from registry.language.as_text.text import parse_operand, to_text
from registry.language.tree import IndicatorOutput

_COLUMNS = (*VALUES, "start")
_RECORDED = ("file", "sha256", "symbol", "timeframe", "since", "until")
_FLAT = 100.0
"""The price of a series whose indicators alone are given."""
_MOST_SHOWN = 8


@dataclass(frozen=True)
class Setup:
    """What the candles of a test are read for."""

    condition: Condition
    read: Sequence[IndicatorOutput]
    """The indicators that the condition reads as it is written, those in sources included, without steps back."""
    calendars: Calendars
    exchange: str
    start_ms: int


def series_cases(
    setup: Setup, place: Located, candles: Located | None, indicators: Located | None
) -> dict[Series, SeriesCase]:
    """The series that a test writes, one for each that its condition reads."""
    written = {} if candles is None else _written(candles, setup)
    injected: dict[Series, dict[IndicatorOutput, tuple[Located, BarValues]]] = {}
    for text, at in ({} if indicators is None else indicators.mapping("indicators")).items():
        with at.explained(f"{text}: "):
            variable = _indicator(text, setup, at)
            injected.setdefault(variable.series, {})[variable] = at, read_values(at.words("an indicator"))
    cases: dict[Series, SeriesCase] = {}
    for series in setup.condition.all_series:
        mine = injected.get(series, {})
        if series in written:
            at, columns, start_ms = written[series]
        elif mine:
            at, columns, start_ms = place, _flat(series, mine), setup.start_ms
        else:
            raise place.error(f"there are no candles of {series}, which the condition reads; write them under candles")
        for variable, (where, values) in mine.items():
            _check_bars(to_text(variable, setup.condition.series, short=True), where, values, columns["close"])
        slots = setup.calendars.of(series).slots
        if not slots.is_open(start_ms):
            raise at.error(
                f"no slot of {series} begins at {show_time(start_ms)}; say where bar 0 opens: start: 2024-01-01 00:00"
            )
        first = slots.number(start_ms)
        opens = [slots.open(first + bar) for bar in range(len(columns["close"]))]
        cases[series] = SeriesCase(
            start_ms,
            _candle_frame(series, opens, columns),
            {variable: values for variable, (_, values) in mine.items()},
        )
    return cases


def recorded_cases(setup: Setup, history: Located) -> dict[Series, SeriesCase]:
    """The series that a test reads from a file of recorded candles, whose checksum it names."""
    keys = history.mapping("history", _RECORDED)
    if "file" not in keys:
        raise history.error("history names no file: file: candles.parquet, relative to this file")
    path = history.path.parent / keys["file"].text("file")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise keys["file"].error(f"{path}: {error.strerror or 'it cannot be read'}") from None
    expected = keys["sha256"].text("sha256").lower() if "sha256" in keys else ""
    if digest != expected:
        place = keys.get("sha256", history)
        why = f"{path} has another checksum than the test was written for" if expected else "history has no checksum"
        raise place.error(f"{why}; if these are the right candles, write sha256: {digest}")
    symbol, timeframe = (keys[name].text(name) if name in keys else None for name in ("symbol", "timeframe"))
    with keys["file"].explained():
        options = ImportOptions.parse(symbol=symbol, timeframe=timeframe, default_exchange=setup.exchange)
        checked = check(read_candles(path, options), now_ms=1 << 62)
    if not checked.quarantined.is_empty():
        raise keys["file"].error(
            f"{path}: {checked.quarantined.height:,} rows are no candles; the first, in line"
            f" {checked.quarantined['line'][0]}: {checked.quarantined['reason'][0]}"
        )
    candles = checked.candles
    open_ms = pl.col("open_time").dt.epoch("ms")
    if "since" in keys:
        candles = candles.filter(open_ms >= _time(keys["since"]))
    if "until" in keys:
        candles = candles.filter(open_ms < _time(keys["until"]))
    cases: dict[Series, SeriesCase] = {}
    for series in setup.condition.all_series:
        instrument = series.instrument
        mine = candles.filter(exchange=instrument.exchange, symbol=instrument.symbol, timeframe=series.timeframe).sort(
            "open_time"
        )
        if mine.is_empty():
            raise history.error(f"{path} has no candles of {series}, which the condition reads")
        cases[series] = SeriesCase(int(open_times(mine)[0]), mine, {})
    return cases


def _time(place: Located) -> int:
    with place.explained():
        return read_time(place.text("a time"))


def _written(place: Located, setup: Setup) -> dict[Series, tuple[Located, dict[str, BarValues], int]]:
    """Series -> where it is written, its columns, and when its bar 0 opens."""
    base = setup.condition.series
    if not place.is_mapping:
        return {base: (place, _columns({"close": place}, place), setup.start_ms)}
    keys = place.mapping("candles")
    if keys.keys() <= set(_COLUMNS):
        keys = {base: place}
    written: dict[Series, tuple[Located, dict[str, BarValues], int]] = {}
    for name, at in keys.items():
        with at.explained():
            series = _series(name, setup)
        if series not in setup.condition.all_series:
            read = ", ".join(setup.condition.all_series)
            raise at.error(f"the condition does not read {series}; it reads {read}")
        if series in written:
            raise at.error(f"{series} is there twice, the first time in line {written[series][0].line}")
        columns = at.mapping(f"the candles of {name}", _COLUMNS) if at.is_mapping else {"close": at}
        start_ms = _time(columns.pop("start")) if "start" in columns else setup.start_ms
        written[series] = at, _columns(columns, at), start_ms
    return written


def _series(name: str, setup: Setup) -> Series:
    symbol, _, timeframe = name.rpartition(" ")
    if not symbol:
        return Series(normalise_instrument(name, setup.exchange), setup.condition.timeframe)
    return Series(normalise_instrument(symbol.strip(), setup.exchange), normalise_timeframe(timeframe))


def _columns(places: Mapping[str, Located], place: Located) -> dict[str, BarValues]:
    """Columns of a candle: what is not written follows from the close."""
    columns: dict[str, BarValues] = {}
    for name, at in places.items():
        with at.explained(f"{name}: "):
            columns[name] = read_values(at.words(name))
        if any(value is not None and not math.isfinite(value) for value in columns[name]):
            raise at.error(f"{name}: U is for indicators; a candle has a value, or is missing: _")
    if "close" not in columns:
        raise place.error("there is no close: write close: 100-1x20")
    closes = columns["close"]
    for name, values in columns.items():
        _check_bars(name, places[name], values, closes)
        if len(values) != len(closes):
            raise places[name].error(f"{name} has {len(values)} bars, close has {len(closes)}")
    opens = columns.setdefault("open", closes)
    both = list(zip(opens, closes, strict=True))
    columns.setdefault("high", [None if a is None or b is None else max(a, b) for a, b in both])
    columns.setdefault("low", [None if a is None or b is None else min(a, b) for a, b in both])
    columns.setdefault("volume", [None if close is None else 1.0 for close in closes])
    return columns


def _flat(series: Series, injected: Mapping[IndicatorOutput, tuple[Located, BarValues]]) -> dict[str, BarValues]:
    """Candles of one price where the indicators have values."""
    (at, values), *_ = injected.values()
    if len({len(others) for _, others in injected.values()}) > 1:
        raise at.error(f"the indicators of {series} have different numbers of bars, and there are no candles of it")
    prices: BarValues = [None if value is None else _FLAT for value in values]
    return dict.fromkeys(VALUES, prices)


def _check_bars(name: str, place: Located, values: BarValues, closes: BarValues) -> None:
    if len(values) != len(closes):
        raise place.error(f"{name} has {len(values)} bars, and there are candles of {len(closes)}")
    for bar, (value, close) in enumerate(zip(values, closes, strict=True)):
        if (value is None) != (close is None):
            state = "is missing" if close is None else "has a candle; write U for a value that is not known"
            raise place.error(f"{name}: bar {bar} {state}")


def _indicator(text: str, setup: Setup, place: Located) -> IndicatorOutput:
    """The indicator that a key names, which the condition has to read."""
    operand = parse_operand(text, setup.condition.series)
    if not isinstance(operand, IndicatorOutput) or operand.offset:
        raise place.error(f"{text!r} is no indicator; write one as in the condition, without [k]: rsi(14)")
    if operand not in setup.read:
        base = setup.condition.series
        shown = [to_text(each, base, short=True) for each in setup.read[:_MOST_SHOWN]]
        reads = f"it reads {', '.join(shown)}" if shown else "it reads no indicator"
        raise place.error(f"the condition does not read {to_text(operand, base, short=True)}; {reads}")
    return operand


def _candle_frame(series: Series, opens: Sequence[int], columns: Mapping[str, BarValues]) -> pl.DataFrame:
    instrument = series.instrument
    frame = pl.DataFrame(
        {
            "exchange": [instrument.exchange] * len(opens),
            "symbol": [instrument.symbol] * len(opens),
            "timeframe": [series.timeframe] * len(opens),
            "open_time": pl.Series(opens, dtype=pl.Int64),
            **{name: pl.Series(columns[name], dtype=pl.Float64) for name in VALUES},
        }
    )
    return frame.drop_nulls().cast(dict(CANDLE_SCHEMA))  # type: ignore[arg-type]
