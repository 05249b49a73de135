"""The oracle's own formulae are TA-Lib's, and the product's indicators are the oracle's."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

import indicators
from tests.engine.oracle_formulae import FORMULAE, Columns, Floats, Value, values_of

MARKETS = ("BTCUSDT", "DOGEUSDT")


@pytest.fixture(scope="module")
def markets(sample: pl.DataFrame) -> dict[str, dict[str, Floats]]:
    """Columns of a few hundred candles; DOGE's prices have few digits, so ties are frequent."""
    columns: dict[str, dict[str, Floats]] = {}
    for symbol in MARKETS:
        rows = sample.filter((pl.col("symbol") == symbol) & (pl.col("timeframe") == "5m")).sort("open_time")[:600]
        columns[symbol] = {name: rows[name].to_numpy().copy() for name in ("open", "high", "low", "close", "volume")}
        columns[symbol]["open_time"] = rows["open_time"].dt.epoch("ms").to_numpy()
    return columns


def ta(function: str, *arguments: Floats | float) -> Any:
    """TA-Lib's function: one array, or a tuple of several."""
    return getattr(talib, function)(*arguments)


def by_talib(name: str, c: Columns, p: tuple[float, ...]) -> dict[str, Floats]:
    """TA-Lib's values."""
    o, h, low, close, volume = (c[column] for column in ("open", "high", "low", "close", "volume"))
    hlc, hlcv = (h, low, close), (h, low, close, volume)
    average = {"sma": "SMA", "ema": "EMA", "wma": "WMA", "dema": "DEMA", "tema": "TEMA", "hma": "HMA", "rma": "RMA"}
    single = {"kama": "KAMA", "rsi": "RSI", "cmo": "CMO", "roc": "ROC", "mom": "MOM", "trix": "TRIX", "stdev": "STDDEV"}
    extremes = {"highest": "MAX", "lowest": "MIN"}
    ranged = {"cci": "CCI", "williams_r": "WILLR", "atr": "ATR", "natr": "NATR"}
    for table, inputs in ((average, (close,)), (single, (close,)), (extremes, (close,)), (ranged, hlc)):
        if name in table:
            return {"value": ta(table[name], *inputs, *p)}
    match name:
        case "vwma":
            return {"value": ta("VWMA", close, volume, *p)}
        case "macd":
            return dict(zip(("line", "signal", "histogram"), ta("MACD", close, *p), strict=True))
        case "stoch":
            return dict(zip("kd", ta("STOCH", *hlc, p[0], p[1], 0, p[2], 0), strict=True))
        case "stochrsi":
            return dict(zip("kd", ta("STOCHRSI", close, p[0], p[1], p[3], 0), strict=True))
        case "mfi":
            return {"value": ta("MFI", *hlcv, *p)}
        case "ultosc":
            return {"value": ta("ULTOSC", *hlc, *p)}
        case "adx":
            value = ta("ADX", *hlc, p[0])
            late = np.isnan(value)
            plus, minus = ta("PLUS_DI", *hlc, p[0]), ta("MINUS_DI", *hlc, p[0])
            return {
                "plus_di": np.where(late, np.nan, plus),
                "minus_di": np.where(late, np.nan, minus),
                "value": value,
            }
        case "aroon":
            down, up = ta("AROON", h, low, *p)
            return {"up": up, "down": down, "oscillator": ta("AROONOSC", h, low, *p)}
        case "psar":
            return {"value": ta("SAR", h, low, *p)}
        case "supertrend":
            value, direction = ta("SUPERTREND", *hlc, *p)
            return {"value": value, "direction": np.where(np.isnan(value), np.nan, direction)}
        case "bbands":
            return dict(zip(("upper", "middle", "lower"), ta("BBANDS", close, p[0], p[1], p[1]), strict=True))
        case "obv":
            return {"value": ta("OBV", close, volume)}
        case "ad":
            return {"value": ta("AD", *hlcv)}
        case "cmf":
            return {"value": ta("CMF", *hlcv, *p)}
        case "vwap":
            starts = np.flatnonzero(np.diff(c["open_time"] // 86_400_000)) + 1
            days = [np.split(column, starts) for column in hlcv]
            return {"value": np.concatenate([ta("VWAP", *day) for day in zip(*days, strict=True)])}
        case "linreg":
            return {"value": ta("LINEARREG", close, *p), "slope": ta("LINEARREG_SLOPE", close, *p)}
        case "heikin_ashi":
            return dict(zip(("open", "high", "low", "close"), ta("HA", o, *hlc), strict=True))
        case "donchian":
            return dict(zip(("upper", "middle", "lower"), ta("DONCHIAN", h, low, *p), strict=True))
        case "zscore":
            return {"value": (close - ta("SMA", close, *p)) / ta("STDDEV", close, *p)}
        case "keltner":
            return dict(zip(("upper", "middle", "lower"), ta("KC", *hlc, p[0], p[2], p[1]), strict=True))
    raise AssertionError(name)


def in_talib(name: str, parameters: tuple[float, ...]) -> bool:
    """Whether TA-Lib has the function in this form."""
    return not (
        name in ("ppo", "ichimoku")
        or (name == "vwap" and parameters != (0,))
        or (name == "adx" and parameters[0] != parameters[1])
        or (name == "stochrsi" and parameters[2] != 1)
    )


CASES = [(name, parameters) for name, formula in FORMULAE.items() for parameters in formula.choices]
TALIBS = [case for case in CASES if in_talib(*case)]
PRODUCTS = [case for case in CASES if case[0] in indicators.catalogue()]


def shown(cases: list[tuple[str, tuple[float, ...]]]) -> list[str]:
    return [f"{name}({','.join(f'{number:g}' for number in parameters)})" for name, parameters in cases]


@pytest.mark.parametrize(("name", "parameters"), TALIBS, ids=shown(TALIBS))
def test_formulae_are_talibs(name: str, parameters: tuple[float, ...], markets: dict[str, Columns]) -> None:
    for columns in markets.values():
        theirs = by_talib(name, columns, parameters)
        ours = values_of(name, columns, None, parameters)
        for output, expected in theirs.items():
            # TA-Lib's running sums drift a little.
            agree(ours[output], expected, 20.0)


@pytest.mark.parametrize(("name", "parameters"), PRODUCTS, ids=shown(PRODUCTS))
def test_the_product_is_the_oracle(name: str, parameters: tuple[float, ...], markets: dict[str, Columns]) -> None:
    record = indicators.catalogue()[name]
    named: dict[str, Any] = dict(zip([parameter.name for parameter in record.parameters], parameters, strict=True))
    for columns in markets.values():
        for source in (None, "close", "hl2", "volume") if record.has_source else (None,):
            outputs = indicators.compute(name, columns, source=source, **named)
            ours = values_of(name, columns, source, parameters)
            assert set(outputs) == set(ours) == set(FORMULAE[name].outputs)
            for output, values in outputs.items():
                agree(ours[output], values, 1.0)


def agree(ours: Value, theirs: Floats, slack: float) -> None:
    """Values on the same candles, and within the error that the oracle admits."""
    values, errors = ours
    there = np.isfinite(values)
    np.testing.assert_array_equal(there, np.isfinite(theirs))
    assert there.any()
    allowed = np.where(errors > 0, errors * slack, 1e-11 * np.abs(values) if slack > 1 else 0)
    beyond = np.abs(values - theirs)[there] > allowed[there]
    assert not beyond.any(), (values[there][beyond][:3], theirs[there][beyond][:3], errors[there][beyond][:3])
