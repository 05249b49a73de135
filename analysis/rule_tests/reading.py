"""Reads files of rule tests."""

from pathlib import Path

from analysis.rule_tests.cases import RuleTest, SeriesCase
from analysis.rule_tests.located import Located, read_located
from analysis.rule_tests.notation import read_truths
from analysis.rule_tests.series_cases import Setup, recorded_cases, series_cases
from analysis.stretches import undelayed
from common.grids import Grid
from common.timeframes import read_time
from engine.calendars import Calendars
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Calendar, normalise_exchange, normalise_instrument
from registry.language.desugar import desugar
from registry.language.tree import IndicatorOutput, readings, variables

_FILE = ("exchange", "start", "calendars", "grids", "tests")
_TEST = ("name", "condition", "start", "candles", "indicators", "history", "fires", "fires_count", "truth")
_START = "2024-01-01"
"""When bar 0 opens where nothing else is said: a Monday."""
_CALENDARS: tuple[Calendar, ...] = ("24x7", "sessions")


def read_rule_tests(path: Path) -> list[RuleTest]:
    """The tests of a file, in their order.

    Raises :class:`common.errors.RuleTestError`, which names the line, for what cannot be read.
    """
    document = read_located(path)
    keys = document.mapping("a file of rule tests", _FILE)
    exchange = "BINANCE"
    if "exchange" in keys:
        with keys["exchange"].explained():
            exchange = normalise_exchange(keys["exchange"].text("exchange"))
    calendars = _calendars(keys, exchange)
    if "tests" not in keys:
        raise document.error("there are no tests: write them under tests, as a list")
    tests = [_test(each, keys.get("start"), calendars, exchange) for each in keys["tests"].items("tests")]
    if not tests:
        raise keys["tests"].error("there is no test in the list")
    return tests


def _calendars(keys: dict[str, Located], exchange: str) -> Calendars:
    by_instrument: dict[str, Calendar] = {}
    grids: dict[str, Grid] = {}
    for name, at in keys["calendars"].mapping("calendars").items() if "calendars" in keys else ():
        with at.explained():
            word = at.text("a calendar")
            calendar = next((known for known in _CALENDARS if known == word), None)
            if calendar is None:
                raise at.error(f"{word!r} is no calendar; write {' or '.join(_CALENDARS)}")
            by_instrument[str(normalise_instrument(name, exchange))] = calendar
    for name, at in keys["grids"].mapping("grids").items() if "grids" in keys else ():
        with at.explained():
            grids[str(normalise_instrument(name, exchange))] = Grid.parse(at.text("a grid"))
    return Calendars(by_instrument, grids)


def _test(place: Located, start: Located | None, calendars: Calendars, exchange: str) -> RuleTest:
    keys = place.mapping("a test", _TEST)
    if "condition" not in keys:
        raise place.error('the test has no condition: write condition: "BTCUSDT 1h: rsi(14) < 30"')
    condition = _condition(keys["condition"], exchange)
    start = keys.get("start", start)
    with (start or place).explained():
        start_ms = read_time(_START if start is None else start.text("start"))
    read = dict.fromkeys(
        inner
        for variable in variables(desugar(condition.surface, condition.series))
        for inner in readings(undelayed(variable))
        if isinstance(inner, IndicatorOutput)
    )
    setup = Setup(condition, tuple(read), calendars, exchange, start_ms)
    if "history" not in keys:
        series = series_cases(setup, place, keys.get("candles"), keys.get("indicators"))
    else:
        written = [keys[name] for name in ("candles", "indicators") if name in keys]
        if written:
            raise written[0].error("a test has either a recorded history or what it writes itself, not both")
        series = recorded_cases(setup, keys["history"])
    if not keys.keys() & {"fires", "fires_count", "truth"}:
        raise place.error("nothing is expected: write fires: [2, 5], fires: [] or truth: U F T")
    truth = None
    if "truth" in keys:
        with keys["truth"].explained("truth: "):
            truth = tuple(read_truths(keys["truth"].words("truth")))
    return RuleTest(
        path=place.path,
        line=place.line,
        name=keys["name"].text("name") if "name" in keys else str(condition),
        condition=condition,
        calendars=calendars,
        series=series,
        fires=_bars(keys["fires"], condition, series, calendars) if "fires" in keys else None,
        fires_count=keys["fires_count"].whole("fires_count") if "fires_count" in keys else None,
        truth=truth,
    )


def _condition(place: Located, exchange: str) -> Condition:
    with place.explained():
        if place.is_mapping:
            spec = place.plain()
            return Condition.parse(spec, default_exchange=exchange)
        return Condition.parse(place.text("condition"), default_exchange=exchange)


def _bars(
    place: Located, condition: Condition, series: dict[Series, SeriesCase], calendars: Calendars
) -> tuple[int, ...]:
    """Bars by their numbers, or by the times at which they open."""
    slots = calendars.of(condition.series).slots
    first = slots.number(series[condition.series].start_ms)
    bars: list[int] = []
    for item in place.items("fires"):
        text = item.text("a bar")
        if text.isdecimal() and len(text) < 9:
            bars.append(int(text))
            continue
        with item.explained():
            open_ms = read_time(text)
        if not slots.is_open(open_ms) or slots.number(open_ms) < first:
            raise item.error(f"no bar of {condition.series} opens at {text}")
        bars.append(slots.number(open_ms) - first)
    return tuple(sorted(set(bars)))
