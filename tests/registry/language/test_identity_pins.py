"""Ids that stored conditions have: a change here is a migration."""

import pytest

from registry import Condition

PINNED = [
    ("BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30", "93ea8d8dbaf7ec35cab30f9799301790"),
    ("BTCUSDT 1h: rsi < 30", "9517ccf86119ff0a696eb853f3e6c250"),
    ("BTCUSDT 1h: rsi > 70", "e5c0c7610712b12f4ad8670fd3590c5a"),
    ("BTCUSDT 1h: macd.histogram crosses_above 0", "ccbd40fc3777895a1b031c4a51a7a700"),
    ("ETHUSDT 15m: ema(12) crosses_above ema(26) and close > sma(200)", "c90a4029cd08784cef78de1e5defae8a"),
    ("BTC/USDT:USDT 4h: close < bbands(20, 2.5).lower", "f8b1ffc839f600e3d06d0b33b1c14bf8"),
    ("KRAKEN:BTC/EUR 1d: not (rsi < 30 or close crosses_above open)", "bed69a86bc4788f281d782058692b939"),
    ("SOLUSDT 5m: volume > sma(20, volume)", "aa8e44c0b3246ef74da8d4ac4b828bfb"),
    ("BTCUSDT 1w: any(stoch.k crosses_above stoch.d, atr > 1e-5)", "8b778dcc00c2cf9f956e6213302c856b"),
    ("BTCUSDT 3d: close >= highest(20, high) or close <= lowest(20, low)", "91c37021687e221e19794b32d1f00e70"),
    ("BTCUSDT 1h: close crosses open", "cb5a4a1fcc302a169d717ec3309d3ad7"),
    ("BTCUSDT 1h: rsi between 40 and 60", "f4c83a68dda1d9ef480bdf1680ccee3c"),
    ("BTCUSDT 1h: rsi outside 40 and 60", "0e93bd6a4ca7b4e72a69bf2c2ddb38fa"),
    ("BTCUSDT 1h: rsi enters 40 and 60", "ecc87c471094ab2b4d10565bf11dd9c5"),
    ("BTCUSDT 1h: close exits bbands.lower and bbands.upper", "74873e17078055ddd0e945d579d99436"),
    ("BTCUSDT 1h: rsi@4h enters 40 and 60", "f38ec8a75fc88830806b2f7827c72841"),
    ("BTCUSDT 1h: close rises_by 100", "7e8f4933610b10e5402bfe91842a1e7a"),
    ("BTCUSDT 1h: close rises_by 5% within 3 bars", "40d81a605f133310225fb5935a60b7e0"),
    ("BTCUSDT 5m: close falls_by 2 * atr within 12 bars", "855b09c68dbf57aecaaf6cff4e2486cf"),
    ("BTCUSDT 1h: close falls_by 1.5%", "7b699654414cbf1ae96ee7c816090a93"),
    ("BTCUSDT 1h: volume rising 3 bars", "6c418a431351b8e8e4b2f4f55ed43076"),
    ("BTCUSDT 1h: rsi falling", "5266212645e357bc99ce23a7a7218e91"),
    ("BTCUSDT 1h: close > sma(200)@1d", "5a438e93e2cdc5c35ce2a46e29ad15b9"),
    ("BTCUSDT 1h: close > close[1]", "cc746b61dca798fff0daf6e96298f521"),
    ("BTCUSDT 1h: rsi(14)[2]@4h < 30", "6501b4e48176df9b135edd0370659aac"),
    ("ETHUSDT 1h: close / close@BTCUSDT > 0.05", "82530191fe6002517987b1dc0ca428fc"),
    ("ETHUSDT 1h: rsi@BTCUSDT < 25 and rsi < 30", "82289052adc76462f59e5177e314c34a"),
    ("SOLUSDT 15m: close@KRAKEN:SOL/USD > close * 1.001", "784ec5349862ca8021b70ae1fd7888ac"),
    ("BTCUSDT.P 1h: close - close@BTCUSDT > 10", "07ae61890e089f8b06f7649df0cb6918"),
    ("BTCUSDT 1h: close@ETHUSDT@1d crosses_above sma(50)@ETHUSDT@1d", "14dd766fcfd95b7e80e6aac49c3cfa3b"),
    ("BTCUSDT 1h: (high - low) / close > 0.02", "4828e793ad51c2d54fcce1a42d0218d4"),
    ("BTCUSDT 1h: high - low > 2 * atr", "0fec92011cf493c2a68a938cf3f7eb74"),
    ("BTCUSDT 1h: volume > 2 * sma(20, volume)", "5668028bb501d55593a4680e94fd995a"),
    ("BTCUSDT 1h: (close - open)[1] > 0 and close < open", "d88bba63f17a766622698ed8d15c251d"),
    ("BTCUSDT 1h: close - (open - high) > 0", "ee7b109e3fef723dd794bef3ea44221f"),
    ("BTCUSDT 1h: close * 0.1 * 3 > 0", "b385e6d48b258323512c69d0a8bf009b"),
    ("BTCUSDT 1h: -atr > close - open", "38d2218048e692b6d7b2ac3d2fc20e07"),
    ("BTCUSDT 1h: rsi < 30 for 3 bars", "e10bc640c965f896dc61039e6c4db771"),
    ("BTCUSDT 1h: rsi crosses_below 30 within 5 bars", "9328b65faa102e639e50a590ef51df0b"),
    ("BTCUSDT 1h: not rsi < 30 within 5 bars", "cd99759590e05e0d95473f6ea00b9e5d"),
    ("BTCUSDT 1h: (rsi < 30 for 3 bars) within 10 bars", "1a5744bfe0abd22146738c0a5d11ebd7"),
    ("BTCUSDT 1h: 2 of (rsi < 30, close < bbands.lower, volume rising)", "fb0ab8b5294e6dec5598df4595f6cb13"),
    ("BTCUSDT 1h: not 2 of (rsi < 30, close < bbands.lower, volume > 5)", "158749478e0e40a562def27fd55865be"),
    ("BTCUSDT 1h: 2 of (rsi < 30, rsi < 30, close > 1)", "2e4ae72be3c9cc9b9a635cb199b9545b"),
    ("BTCUSDT 1h: every(rsi < 30)", "2d1ab53635cd45be9b732e6d189c23e7"),
    ("BTCUSDT 1h: every(rsi between 40 and 60 and close > open)", "dcef7a88450bef5b067627c1e2e73b22"),
    ("BTCUSDT 1h: any(rsi enters 40 and 60, close crosses_above open)", "9ce0d3cc006ffe72b8e0d6d9557553d2"),
    ("BTCUSDT 1h: macd.histogram[1] < 0 and macd.histogram > 0", "0b725d0fbc17222ad3a28622a06f2bc1"),
    (
        "ETHUSDT 15m: all(ema(12) crosses_above ema(26), close > sma(200)@4h, volume > 2*sma(20, volume)) within 3",
        "a3e4f2305b5ccef0499d961dbf822526",
    ),
    (
        "SOLUSDT 5m: every((close < bbands(20, 2).lower) for 2 bars and not rsi(14)@BTCUSDT < 25)",
        "09109161ae12cfbeefcb1bd6a2621f39",
    ),
    (
        "BTCUSDT 1d: 2 of (close rises_by 5% within 3, volume rising 3, close exits bb.lower and bb.upper,"
        " rsi between 40 and 60)",
        "20aa3bdbc8fe8546b75544fdf67ee784",
    ),
    ("BTCUSDT 1h: abs(close - open) > 2 * atr", "1ba8b70dc17ee146121b3a6ab1d7c196"),
    ("BTCUSDT 1h: close > max(open, high[1], 100)", "c5f69b84d00aa4041935a8784ea95c9a"),
    ("BTCUSDT 1h: min(open, close) - low >= 2 * abs(close - open)", "8458000e7dacc4c1f8b1ac39589acb14"),
    ("BTCUSDT 1h: before(rsi < 30) and close > open", "25f5a4d224e3779ef3e2231ab64c0fd7"),
    (
        "BTCUSDT 1h: rsi crosses_below 30 then close crosses_above sma(20) within 10 bars",
        "de2db9bf6170f2b6212d1c4b50cfce5f",
    ),
    ("BTCUSDT 1h: rsi < 30 then close > open within 5 bars", "b3aa1ffbaffabeaceaabce580725fca9"),
    ("BTCUSDT 1h: rsi < 30 and during(08:00-16:00)", "d14a2bde466d05744f1a5abb335af5f8"),
    (
        "ETHUSDT 15m: close > sma(200) and during(09:30-16:00, mon-fri, America/New_York)",
        "94efbd9953607870e7f95522db08ec0b",
    ),
    ("BTCUSDT 1h: rsi < 30 and not during(22:00-02:00, fri)", "4742ed2aae4e3c0b46d42b8758e44f8e"),
    ("BTCUSDT 1h: rsi < 30 and not during(mon-fri)", "a0241df1128a2326cfb2599142361177"),
]


@pytest.mark.parametrize(("text", "condition_id"), PINNED)
def test_pinned_ids(text: str, condition_id: str) -> None:
    assert Condition.parse(text).id == condition_id
