"""Long histories: the catalogue over one series in one call, and over many series."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import talib

from benchmarks import candles
from benchmarks.peers import talib_calls
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, times, yes
from benchmarks.scale import Scale
from benchmarks.timing import Measure, alternate, geometric_mean, here, settled
from indicators.catalogue import Indicator, catalogue
from indicators.compute import compute_many, input_arrays, scan, scan_into, start

Work = Callable[[], object]

_ONE_SERIES = {
    "ema": 3.0, "stoch": 3.0, "macd": 3.0, "rsi": 2.0, "highest": 2.0, "lowest": 2.0, "cci": 2.0, "adx": 2.0,
    "bbands": 1.2, "sma": 0.6, "wma": 0.6,
}  # fmt: skip
"""Entry -> its target speed as a multiple of TA-Lib's; window sums in a fixed order cost more than running ones."""
_ANY_ENTRY = 0.8
"""The target for all other entries."""
_SHORTER = 8
"""Divisor of the length at which everything is measured again, within the cache."""
_MANY_SERIES = 3.0
"""The target for the geometric mean."""

_BEHIND = (
    "What stays behind: windows in a fixed order (sma, wma, hma, linreg and what is made of them) add more than "
    "running sums, which would make values depend on where a series starts; an extreme reads its window anew, four or "
    "six spans at a time, and TA-Lib only where the last one left; vwap and ad add up one candle after the other, and "
    "no other start meets them; macd, bbands, stoch, ad and heikin_ashi read or write more columns than the cache "
    "holds. Tried: writing past the cache (macd became a third faster, bbands no faster, a loop like that of stoch "
    "slower), asking for the next block's memory before its turn (nothing became faster), the extremes of eight values "
    "by vectors shifted in registers (faster in the cache, no faster from memory), days of vwap side by side (turning "
    "its five columns took longer than the sums), vectors of 512 bits where the compiler prefers 256 (bbands 15 % "
    "faster, most no faster). Where others use the same processors, vectors lose more by it than TA-Lib's loops, which "
    "mostly wait for their last sum."
)
_MANY_BEHIND = (
    "Recursions gain by lanes, two to five times. Windows in a fixed order (sma, wma, hma, linreg, extremes) "
    "cost what they cost in one series, and hold the mean down; kama's recursion stands behind a window, so its series "
    "run one by one."
)

_HANDFUL = ("sma", "ema", "rsi", "macd", "bbands", "atr", "stoch")
_AWAY_FROM_TALIB = {"vwap", "stochrsi"}
"""Entries whose definition differs from TA-Lib's function: see the notes of the calls."""


def one_series(scale: Scale, peers: Peers) -> Section:
    """The whole catalogue over one long series."""
    count = scale.history_candles
    columns = candles.series(count)
    peers.load("one", columns)
    few = {name: values[: count // _SHORTER].copy() for name, values in columns.items()}
    rows, ratios, targets = [], [], []
    for name, indicator in catalogue().items():
        call = talib_calls.CALLS.get(name)
        parameters = indicator.complete({})
        measures = {"ours": here(_ours(indicator, columns)), "new": here(_allocating(indicator, columns))}
        measures["few"] = here(_ours(indicator, few), _SHORTER)
        if call is not None:
            _check(indicator, columns)
            measures["talib"] = here(talib_calls.batch(call, parameters, columns))
            measures["c"] = here(talib_calls.preallocated(call, parameters, columns))
            _add(measures, "takt", peers.measure("takt series", name, parameters, "one"))
        spent = alternate({who: settled(measure) for who, measure in measures.items()}, scale.rounds)
        ratio = spent.get("talib", math.nan) / spent["ours"]
        if call is not None:
            ratios.append({who: seconds / spent["ours"] for who, seconds in spent.items()})
        aim = _ONE_SERIES.get(name, _ANY_ENTRY)
        if call is not None:
            targets.append(at_least(f"{name}, one series, over TA-Lib", aim, ratio))
        spent["few"] *= count / (count // _SHORTER)
        figures = [_ns(spent, who, count) for who in ("ours", "few", "new", "talib", "c", "takt")]
        rows.append([name, *figures, times(ratio), _aim(aim, ratio), call.note if call else "not there"])
    means = [_mean(ratios, who) for who in ("talib", "c", "takt")]
    rows.append(["**geometric mean, over ours**", "", "", "", *means, means[0], "", ""])
    remark = (
        f"{count:,} candles, nanoseconds of CPU time a candle, one thread, default parameters. *Ours* writes into "
        "arrays that are there already (`compute(..., out=...)`); *ours, new arrays* allocates as TA-Lib's Python "
        f"module does, which has no other way. *Ours, {count // _SHORTER:,}* is the same on so many candles, whose "
        "columns stay in the cache; what it is faster by, memory takes: numpy copies a column in "
        f"{_copy(count):.2f} ns a candle. *TA-Lib in C* is the C library that the module is made of, called directly "
        "with arrays that are there already. takt is ta-lib-takt, a faster TA-Lib, in a process of its own. Candles "
        "are real 5m ones of the sample, by the day in another order and chained on their tick grid. Before an entry "
        "is timed, its values are compared with TA-Lib's. Everybody's turn begins with three calls that are not "
        f"timed, so that all find their own arrays in the cache, as far as they fit. {_BEHIND}"
    )
    header = (
        "entry",
        "ours",
        f"ours, {count // _SHORTER:,}",
        "ours, new arrays",
        "TA-Lib",
        "TA-Lib in C",
        "takt",
        "TA-Lib / ours",
        "aim",
        "remark",
    )
    tables = [Table(remark + _without(peers), header, rows), *_others(scale, peers, columns)]
    return Section(f"History: one series of {count:,} candles", tables, targets)


def many_series(scale: Scale, peers: Peers) -> Section:
    """The whole catalogue over several hundred series."""
    number, count = scale.many_series, scale.many_candles
    columns = candles.many(number, count)
    peers.load("many", columns)
    rows, ratios, targets = [], [], []
    for name, indicator in catalogue().items():
        call = talib_calls.CALLS.get(name)
        if call is None:
            continue
        parameters = indicator.complete({})
        measures = {
            "ours": here(_ours_many(indicator, columns)),
            "talib": here(talib_calls.each(call, parameters, columns)),
        }
        _add(measures, "takt", peers.measure("takt each", name, parameters, "many"))
        spent = alternate(measures, max(1, scale.rounds - 4))
        ratio = spent["talib"] / spent["ours"]
        ratios.append({who: seconds / spent["ours"] for who, seconds in spent.items()})
        figures = [_ns(spent, who, number * count) for who in ("ours", "talib", "takt")]
        rows.append([name, *figures, times(ratio)])
    means = [_mean(ratios, who) for who in ("talib", "takt")]
    rows.append(["**geometric mean, over ours**", "", *means, means[0]])
    mean = geometric_mean(ratio["talib"] for ratio in ratios)
    targets = [at_least(f"{number} series, geometric mean over TA-Lib", _MANY_SERIES, mean)]
    remark = (
        f"{number} series of {count:,} candles, nanoseconds of CPU time a candle; all results are kept, ours in arrays "
        "that are there already. Ours is one call for all series (`compute_many(..., out=...)`); the others have only "
        f"one call a series. numpy copies a column of them in {_copy(number * count):.2f} ns a candle. {_MANY_BEHIND}"
    )
    header = ("entry", "ours", "TA-Lib", "takt", "TA-Lib / ours")
    return Section(
        f"History: {number} series of {count:,} candles", [Table(remark + _without(peers), header, rows)], targets
    )


def _others(scale: Scale, peers: Peers, columns: candles.Columns) -> list[Table]:
    """Other libraries on the entries that they share with the catalogue."""
    if peers.why_not:
        return []
    few = {name: values[: scale.slow_candles].copy() for name, values in columns.items()}
    peers.load("few", few)
    rows = []
    for name in _HANDFUL:
        indicator = catalogue()[name]
        parameters = indicator.complete({})
        measures = {"ours": here(_ours(indicator, columns))}
        for library in ("ta-numba", "polars-talib"):
            _add(measures, library, peers.measure(f"{library} series", name, parameters, "one"))
        spent = alternate({who: settled(measure) for who, measure in measures.items()}, scale.rounds)
        slow = {"ours": here(_ours(indicator, few))}
        _add(slow, "talipp", peers.measure("talipp series", name, parameters, "few"))
        spent_slowly = alternate(slow, max(1, scale.rounds // 3))
        ratios = [spent[who] / spent["ours"] for who in ("ta-numba", "polars-talib")]
        ratios.append(spent_slowly["talipp"] / spent_slowly["ours"])
        figures = [_ns(spent, who, scale.history_candles) for who in ("ours", "ta-numba", "polars-talib")]
        figures.append(_ns(spent_slowly, "talipp", scale.slow_candles))
        rows.append([name, *figures, *map(times, ratios)])
    remark = (
        "Other libraries on what they share with the catalogue, nanoseconds a candle, each in its own best way: "
        "ta-numba "
        "compiled by numba, polars-talib as an expression over a frame, talipp candle by candle. talipp was measured "
        "on "
        f"{scale.slow_candles:,} candles, against ours on the same ones. ta-numba and talipp have no smoothing of the "
        f"stochastic's k. Versions: {peers.versions}."
    )
    header = ("entry", "ours", "ta-numba", "polars-talib", "talipp", "ta-numba / ours", "polars-talib / ours",
              "talipp / ours")  # fmt: skip
    return [Table(remark, header, rows)]


def _copy(count: int) -> float:
    """Nanoseconds per number that numpy takes to copy ``count`` of them."""
    values, there = np.ones(count), np.full(count, np.nan)
    return alternate({"copy": here(lambda: np.copyto(there, values))}, 9)["copy"] / count * 1e9


def _ours(indicator: Indicator, columns: candles.Columns) -> Work:
    parameters = indicator.complete({})
    inputs = input_arrays(indicator, columns)
    outputs = tuple(np.full((len(indicator.outputs), inputs[0].size), np.nan))
    return lambda: scan_into(indicator, parameters, start(indicator, parameters), inputs, outputs)


def _allocating(indicator: Indicator, columns: candles.Columns) -> Work:
    parameters = indicator.complete({})
    inputs = input_arrays(indicator, columns)
    return lambda: scan(indicator, parameters, start(indicator, parameters), inputs)


def _ours_many(indicator: Indicator, columns: candles.Columns) -> Work:
    number, count = columns["close"].shape
    out = {output.name: np.full((number, count), np.nan) for output in indicator.outputs}
    return lambda: compute_many(indicator.name, columns, out=out)


def _check(indicator: Indicator, columns: candles.Columns) -> None:
    """Raises ``AssertionError`` where our main output is not TA-Lib's."""
    call = talib_calls.CALLS[indicator.name]
    if indicator.name in _AWAY_FROM_TALIB:
        return
    parameters = indicator.complete({})
    ours = scan(indicator, parameters, start(indicator, parameters), input_arrays(indicator, columns))
    name = indicator.default_output or indicator.outputs[0].name
    if indicator.name == "aroon":
        name = "down"
    values = ours[[output.name for output in indicator.outputs].index(name)]
    theirs = getattr(talib, call.function)(*(columns[column] for column in call.inputs), *call.values(parameters))
    wanted = theirs[0] if isinstance(theirs, tuple) else theirs
    both = np.isfinite(values) & np.isfinite(wanted)
    scale = np.abs(columns["close"]).max() + np.abs(wanted[both]).max()
    difference = np.abs(values - wanted)[both].max()
    assert both.sum() > values.size // 2, f"{indicator.name}: few values"
    assert difference <= 1e-9 * scale, f"{indicator.name}: {difference} from TA-Lib's values"


def _add(measures: dict[str, Measure], who: str, measure: Measure | None) -> None:
    if measure is not None:
        measures[who] = measure


def _ns(spent: Mapping[str, float], who: str, count: int) -> str:
    return f"{spent[who] / count * 1e9:.2f}" if who in spent else "-"


def _mean(ratios: list[dict[str, float]], who: str) -> str:
    return times(geometric_mean(ratio[who] for ratio in ratios if who in ratio))


def _aim(aim: float, ratio: float) -> str:
    return f"{aim:g}x: {yes(ratio >= aim)}" if math.isfinite(ratio) else ""


def _without(peers: Peers) -> str:
    return f" Libraries in an environment of their own are left out: {peers.why_not}." if peers.why_not else ""
