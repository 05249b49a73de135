"""One name for all spellings of an instrument."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import HubError, InstrumentError
from registry.instruments import Instrument, normalise_exchange, normalise_instrument


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("btc/usdt", "BINANCE:BTCUSDT"),
        ("BTC-USDT", "BINANCE:BTCUSDT"),
        ("BTC_USDT", "BINANCE:BTCUSDT"),
        (" BTCUSDT ", "BINANCE:BTCUSDT"),
        ("binance:btcusdt", "BINANCE:BTCUSDT"),
        ("BTC/USDT:USDT", "BINANCE:BTCUSDT.P"),
        ("BTCUSDT.P", "BINANCE:BTCUSDT.P"),
        ("btc/usdt.p", "BINANCE:BTCUSDT.P"),
        ("BTC/USD:BTC", "BINANCE:BTCUSD.P:BTC"),
        ("BYBIT:BTC/USDT:USDT", "BYBIT:BTCUSDT.P"),
        ("1000PEPE/USDT", "BINANCE:1000PEPEUSDT"),
        ("NYSE:BRK.B", "NYSE:BRK.B"),
        ("CME_MINI:ES", "CME_MINI:ES"),
    ],
)
def test_spellings(text: str, name: str) -> None:
    instrument = normalise_instrument(text, "binance")
    assert str(instrument) == name
    assert normalise_instrument(str(instrument), "KRAKEN") == instrument


def test_the_default_exchange_is_the_callers() -> None:
    assert normalise_instrument("BTC/EUR", "kraken") == Instrument("KRAKEN", "BTCEUR")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ":", "BINANCE:", ":BTCUSDT", "BTC//USDT", "BTC/", "BTC USDT", "BTC-USDT-SWAP-X",
        "BTC-USDT:USDT", "BTC/USDT:USDT.P", "A:B:C", "BTCUSDT\x00", "BTCUSD\u0131", "\u00df",
        "BTC\nUSDT", "x" * 65, "x" * 1_000_000, "BTC.", "../../etc", "BTC'; --",
    ],
)  # fmt: skip
def test_malformed_symbols(text: str) -> None:
    with pytest.raises(InstrumentError, match=r"malformed; .*BTCUSDT\.P") as caught:
        normalise_instrument(text, "BINANCE")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["", "BIN ANCE", "1NANCE", "BINANCE:", "x" * 21, "\u0131nance"])
def test_malformed_exchanges(text: str) -> None:
    with pytest.raises(InstrumentError, match="such as BINANCE"):
        normalise_exchange(text)
    with pytest.raises(InstrumentError, match="exchange"):
        normalise_instrument("BTCUSDT", text)


@settings(deadline=None)
@given(st.text(), st.text())
def test_only_hub_errors_escape(text: str, exchange: str) -> None:
    try:
        instrument = normalise_instrument(text, exchange)
    except HubError:
        return
    assert str(instrument).isprintable()
    assert normalise_instrument(str(instrument), "OTHER") == instrument
