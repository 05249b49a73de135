"""Every kind of instrument has one text, and what platforms write for it means that and nothing else."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InstrumentError
from registry.instruments import Instrument, normalise_instrument
from registry.symbols import Spelling, quote_in, read_symbol
from tests.registry.made_instruments import days, letters, quotes, spellings


@given(spellings())
def test_text_to_parts_to_text(spelling: Spelling) -> None:
    symbol = spelling.symbol(split=True)
    assert read_symbol(symbol).symbol(split=True) == symbol
    instrument = Instrument("EX", symbol)
    assert Instrument.parse(str(instrument)) == instrument
    assert (instrument.kind, instrument.expiry, instrument.settle) == (spelling.kind, spelling.expiry, spelling.settle)


@given(spellings())
def test_reading_again_changes_nothing(spelling: Spelling) -> None:
    plain = normalise_instrument(f"EX:{spelling.symbol(split=True)}", "OTHER")
    assert normalise_instrument(str(plain), "OTHER") == plain
    assert normalise_instrument(f" {str(plain).lower()} ", "OTHER") == plain
    assert (plain.kind, plain.expiry, plain.settle) == (spelling.kind, spelling.expiry, spelling.settle)


@given(spellings(st.sampled_from(["A", "B", "AB", "BA"])), spellings(st.sampled_from(["A", "B", "AB", "BA"])))
def test_no_two_instruments_share_a_text(one: Spelling, other: Spelling) -> None:
    def parts(spelling: Spelling) -> Spelling:
        return replace(spelling, number=spelling.number or 1)

    assert (one.symbol(split=True) == other.symbol(split=True)) == (parts(one) == parts(other))


@given(letters, quotes, st.none() | letters, st.none() | days)
def test_ccxts_unified_symbols_keep_their_parts(base: str, quote: str, settle: str | None, expiry: date | None) -> None:
    unified = f"{base}/{quote}"
    if settle is not None:
        unified += f":{settle}" + (f"-{expiry:%y%m%d}" if expiry is not None else "")
    instrument = normalise_instrument(unified, "EX")
    said = read_symbol(instrument.symbol)
    assert said.letters == base + quote
    assert instrument.kind == ("spot" if settle is None else "perpetual" if expiry is None else "dated")
    assert instrument.expiry == (None if settle is None else expiry)
    assert instrument.settle == (None if settle == quote else settle)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BTC/USD:USD", "BINANCE:BTCUSD.P"),
        ("BTC/USD:BTC", "BINANCE:BTCUSD.P:BTC"),
        ("BTCUSD.P:BTC", "BINANCE:BTCUSD.P:BTC"),
        ("BTCUSDT.P:USDT", "BINANCE:BTCUSDT.P"),
        ("ETH/USD:BTC", "BINANCE:ETHUSD.P:BTC"),
        ("BTC/USDT:USDT-250328", "BINANCE:BTCUSDT-20250328"),
        ("BTC/USD:BTC-20250328", "BINANCE:BTCUSD-20250328:BTC"),
        ("BTCUSDT-20250328", "BINANCE:BTCUSDT-20250328"),
        ("BTCUSDT_250328", "BINANCE:BTCUSDT-20250328"),
        ("BTC-USDT-250328", "BINANCE:BTCUSDT-20250328"),
        ("BYBIT:BTC-USDT-28MAR25", "BYBIT:BTCUSDT-20250328"),
        ("OKX:BTC-USDT-SWAP", "OKX:BTCUSDT.P"),
        ("COINBASE:BTC-USDC-PERP", "COINBASE:BTCUSDC.P"),
        ("NSE:M&M", "NSE:M&M"),
        ("NSE:BAJAJ-AUTO", "NSE:BAJAJAUTO"),
        ("NYSE:BRK.B", "NYSE:BRK.B"),
        ("HKEX:0700.HK", "HKEX:0700.HK"),
        ("币安人生usdt", "BINANCE:币安人生USDT"),
        ("币安人生/USDT:USDT", "BINANCE:币安人生USDT.P"),
        ("e\u0301/usd", "BINANCE:\u00c9USD"),
        ("LUNAUSDT.1", "BINANCE:LUNAUSDT"),
        ("LUNA/USDT.2:USDT", "BINANCE:LUNAUSDT.2.P"),
        # Letters alone that end with BC would be settled in their quote currency.
        ("A/BC:C", "BINANCE:A/BC.P:C"),
        ("AB/C:C", "BINANCE:ABC.P"),
    ],
)
def test_spellings_of_platforms(text: str, name: str) -> None:
    assert str(normalise_instrument(text, "BINANCE")) == name
    assert str(Instrument.parse(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "BTC/USDT:USDT-250328-50000-C", "BTC-USD-250328-50000-P", "BTC-250328-50000-C", "BTC-28MAR25-50000-C",
        "BTC-28MAR25-0.5-C", "BTC-28MAR25-50000-C-USDT", "AAPL250117C00150000",
    ],
)  # fmt: skip
def test_options_are_refused(text: str) -> None:
    with pytest.raises(InstrumentError, match="is an option; conditions watch spot, perpetual and dated"):
        normalise_instrument(text, "BINANCE")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("OKX:BTC-USD-SWAP", "write BTCUSD.P if .* BTCUSD.P:BTC if"),
        ("BTCUSD_250328", "write BTCUSD-20250328 if .* BTCUSD-20250328:BTC if"),
        ("BTCUSD_PERP", "write BTCUSD.P if"),
        ("DERIBIT:BTC-PERPETUAL", "does not say what the contract is settled in"),
        ("DERIBIT:BTC-28MAR25", "does not say what the contract is settled in"),
    ],
)
def test_a_settlement_that_is_not_said_is_asked(text: str, choice: str) -> None:
    with pytest.raises(InstrumentError, match=choice):
        normalise_instrument(text, "BINANCE")


@pytest.mark.parametrize("text", ["BTCUSDT-20251301", "BTC/USDT:USDT-250230", "BTCUSDT-31JUN25", "BTCUSDT_251301"])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InstrumentError, match="which is no day"):
        normalise_instrument(text, "BINANCE")


@pytest.mark.parametrize("letter", ["\u017f", "\uff21", "\u00df", "\u0131", "\u0663", "\u200b", "\u202e"])
def test_what_looks_like_another_letter_is_none(letter: str) -> None:
    with pytest.raises(InstrumentError, match="malformed"):
        normalise_instrument(f"BTC{letter}USDT", "BINANCE")


@pytest.mark.parametrize("text", ["BTCUSDT", "binance:btcusdt", "EX:BTC-USDT", "EX:BTC/USDT:USDT", "EX:X.1", "EX:"])
def test_only_canonical_names_are_parsed(text: str) -> None:
    with pytest.raises(InstrumentError):
        Instrument.parse(text)


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"), ("ETHBTC", "BTC"), ("BTCFDUSD", "FDUSD"), ("EURUSD", "USD"), ("BTCUSD.P:BTC", "USD"),
        ("BTCUSDT-20250328", "USDT"), ("X/YZ", "YZ"), ("1000SATSUSDT.P", "USDT"), ("AAPL", None), ("BTC", None),
        ("BRK.B", None),
    ],
)  # fmt: skip
def test_the_quote_of_a_symbol(symbol: str, quote: str | None) -> None:
    assert quote_in(symbol) == quote
