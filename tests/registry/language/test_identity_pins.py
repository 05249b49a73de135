"""Ids that stored conditions have: a change here is a migration."""

import pytest

from registry import Condition

PINNED = [
    ("BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30", "f4fda3d9a0c12279b03c7582ae1cf0f0"),
    ("BTCUSDT 1h: rsi < 30", "b42e78e7c6e7db519cd0b345e0f0c613"),
    ("BTCUSDT 1h: rsi > 70", "e2f820347c12da108d3a840d93f46478"),
    ("BTCUSDT 1h: macd.histogram crosses_above 0", "e83c55dcc51a12ce995ff4ba7815a18b"),
    ("ETHUSDT 15m: ema(12) crosses_above ema(26) and close > sma(200)", "4046311952ac6899e9b7b1644c84b3d8"),
    ("BTC/USDT:USDT 4h: close < bbands(20, 2.5).lower", "f8b1ffc839f600e3d06d0b33b1c14bf8"),
    ("KRAKEN:BTC/EUR 1d: not (rsi < 30 or close crosses_above open)", "0da1f316ff0d5414b29c40839d12a8d1"),
    ("SOLUSDT 5m: volume > sma(20, volume)", "aa8e44c0b3246ef74da8d4ac4b828bfb"),
    ("BTCUSDT 1w: any(stoch.k crosses_above stoch.d, atr > 1e-5)", "0cb4756ecdd4523242833e58c5ec563f"),
    ("BTCUSDT 3d: close >= highest(20, high) or close <= lowest(20, low)", "91c37021687e221e19794b32d1f00e70"),
    ("BTCUSDT 1h: close crosses open", "cb5a4a1fcc302a169d717ec3309d3ad7"),
    ("BTCUSDT 1h: rsi between 40 and 60", "31ca1d43268a46ff85098551ba56adac"),
    ("BTCUSDT 1h: rsi outside 40 and 60", "72d937c3d503e92437d694cccc948938"),
    ("BTCUSDT 1h: rsi enters 40 and 60", "9cfa0033ffb836c3dff6a864c5aff965"),
    ("BTCUSDT 1h: close exits bbands.lower and bbands.upper", "74873e17078055ddd0e945d579d99436"),
    ("BTCUSDT 1h: rsi@4h enters 40 and 60", "e64c7f138c40d33acace924240d3658b"),
    ("BTCUSDT 1h: close rises_by 100", "7e8f4933610b10e5402bfe91842a1e7a"),
    ("BTCUSDT 1h: close rises_by 5% within 3 bars", "40d81a605f133310225fb5935a60b7e0"),
    ("BTCUSDT 5m: close falls_by 2 * atr within 12 bars", "aa78180975f5c045610cd9d5d6142c4d"),
    ("BTCUSDT 1h: close falls_by 1.5%", "7b699654414cbf1ae96ee7c816090a93"),
    ("BTCUSDT 1h: volume rising 3 bars", "6c418a431351b8e8e4b2f4f55ed43076"),
    ("BTCUSDT 1h: rsi falling", "1e7248bddb7b1c6f48eb5d7552d2c290"),
    ("BTCUSDT 1h: close > sma(200)@1d", "5a438e93e2cdc5c35ce2a46e29ad15b9"),
    ("BTCUSDT 1h: close > close[1]", "cc746b61dca798fff0daf6e96298f521"),
    ("BTCUSDT 1h: rsi(14)[2]@4h < 30", "c0d0a7198382c50af05cf715f0815100"),
    ("ETHUSDT 1h: close / close@BTCUSDT > 0.05", "82530191fe6002517987b1dc0ca428fc"),
    ("ETHUSDT 1h: rsi@BTCUSDT < 25 and rsi < 30", "144feff2ec56c28eeba31d8c9d2bba8a"),
    ("SOLUSDT 15m: close@KRAKEN:SOL/USD > close * 1.001", "784ec5349862ca8021b70ae1fd7888ac"),
    ("BTCUSDT.P 1h: close - close@BTCUSDT > 10", "07ae61890e089f8b06f7649df0cb6918"),
    ("BTCUSDT 1h: close@ETHUSDT@1d crosses_above sma(50)@ETHUSDT@1d", "14dd766fcfd95b7e80e6aac49c3cfa3b"),
    ("BTCUSDT 1h: (high - low) / close > 0.02", "4828e793ad51c2d54fcce1a42d0218d4"),
    ("BTCUSDT 1h: high - low > 2 * atr", "8711dd888f0a9e49abc78a48029d4639"),
    ("BTCUSDT 1h: volume > 2 * sma(20, volume)", "5668028bb501d55593a4680e94fd995a"),
    ("BTCUSDT 1h: (close - open)[1] > 0 and close < open", "d88bba63f17a766622698ed8d15c251d"),
    ("BTCUSDT 1h: close - (open - high) > 0", "ee7b109e3fef723dd794bef3ea44221f"),
    ("BTCUSDT 1h: close * 0.1 * 3 > 0", "b385e6d48b258323512c69d0a8bf009b"),
    ("BTCUSDT 1h: -atr > close - open", "096de6fc991d705df08f561c9cc6c290"),
    ("BTCUSDT 1h: rsi < 30 for 3 bars", "abc57ce6a2b59d01cc6290fab010cd6f"),
    ("BTCUSDT 1h: rsi crosses_below 30 within 5 bars", "198bff246812a172b3b312fbbd6d60e5"),
    ("BTCUSDT 1h: not rsi < 30 within 5 bars", "0c758d0927b48a160ec9607fdeed35e4"),
    ("BTCUSDT 1h: (rsi < 30 for 3 bars) within 10 bars", "ef00695d80008ab991e5d1f6616b2a7a"),
    ("BTCUSDT 1h: 2 of (rsi < 30, close < bbands.lower, volume rising)", "321732c06c2c37255adb118dd029c0b6"),
    ("BTCUSDT 1h: not 2 of (rsi < 30, close < bbands.lower, volume > 5)", "477163b40f779a5ff7be0e8e5090c6cc"),
    ("BTCUSDT 1h: 2 of (rsi < 30, rsi < 30, close > 1)", "8fdd8eea042ec958da10502ecc6d1489"),
    ("BTCUSDT 1h: every(rsi < 30)", "95a647f261901ca10d52b7cafa636848"),
    ("BTCUSDT 1h: every(rsi between 40 and 60 and close > open)", "e75842ba3c814ab9bc46df6115d16509"),
    ("BTCUSDT 1h: any(rsi enters 40 and 60, close crosses_above open)", "45abd11287722c7c032b7796f5bc42b6"),
    ("BTCUSDT 1h: macd.histogram[1] < 0 and macd.histogram > 0", "4b1f4263899144751915b3969e2e9d92"),
    (
        "ETHUSDT 15m: all(ema(12) crosses_above ema(26), close > sma(200)@4h, volume > 2*sma(20, volume)) within 3",
        "6597022a8567b998115bc40387f3b84d",
    ),
    (
        "SOLUSDT 5m: every((close < bbands(20, 2).lower) for 2 bars and not rsi(14)@BTCUSDT < 25)",
        "4f954e9a8a47a3149216ace8588514af",
    ),
    (
        "BTCUSDT 1d: 2 of (close rises_by 5% within 3, volume rising 3, close exits bb.lower and bb.upper,"
        " rsi between 40 and 60)",
        "2301372fd11ffb63dc5effc60b3417a3",
    ),
]


@pytest.mark.parametrize(("text", "condition_id"), PINNED)
def test_pinned_ids(text: str, condition_id: str) -> None:
    assert Condition.parse(text).id == condition_id
