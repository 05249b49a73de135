"""The list of a hub: an alias means one instrument, what could mean two is asked, no name changes its meaning."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ConditionError, InstrumentError
from registry.conditions import Condition
from registry.directory import Directory
from registry.instruments import Instrument, Listing
from registry.naming import reading
from registry.symbols import Spelling
from tests.registry.made_instruments import few_letters, listings, spellings


def listed(name: str, *aliases: str, base: str | None = None, quote: str | None = None) -> Listing:
    return Listing(Instrument(*name.split(":", 1)), aliases, base=base, quote=quote)


PERPETUALS = Directory(
    [
        listed("OKX:BTCUSDT.P", "BTC-USDT-SWAP", "XBT perpetual"),
        listed("OKX:BTCUSD.P:BTC", "OKX:BTC-USD-SWAP"),
        listed("NSE:MM", "M&M", "NSE:MAHINDRA^"),
        listed("BINANCE:BTCUSDT"),
    ]
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("OKX:BTC-USDT-SWAP", "OKX:BTCUSDT.P"), ("OKX:btc-usdt-swap", "OKX:BTCUSDT.P"),
        ("OKX:BTC/USDT:USDT", "OKX:BTCUSDT.P"), ("okx:xbt PERPETUAL", "OKX:BTCUSDT.P"),
        ("OKX:BTC-USD-SWAP", "OKX:BTCUSD.P:BTC"), ("NSE:M&M", "NSE:MM"), ("NSE:Mahindra^", "NSE:MM"),
        ("btc/usdt", "BINANCE:BTCUSDT"), ("XETHZUSD", "BINANCE:XETHZUSD"),
    ],
)  # fmt: skip
def test_an_alias_means_its_instrument(text: str, name: str) -> None:
    assert str(PERPETUALS.read(text, "BINANCE")) == name


def test_an_alias_belongs_to_its_exchange() -> None:
    assert str(PERPETUALS.read("BYBIT:M&M", "BINANCE")) == "BYBIT:M&M"
    with pytest.raises(InstrumentError, match=r"malformed.*alias"):
        PERPETUALS.read("BINANCE:MAHINDRA^", "BINANCE")


SPLITS = Directory([listed("EX:XYZ", base="X", quote="YZ"), listed("EX:XY/Z"), listed("EX:Q/RS"), listed("EX:QR/S")])


def test_two_splits_of_the_same_letters_are_asked() -> None:
    assert str(SPLITS.read("X/YZ", "EX")) == "EX:XYZ"
    assert str(SPLITS.read("xy-z", "EX")) == "EX:XY/Z"
    assert str(SPLITS.read("Q/RS", "EX")) == "EX:Q/RS"
    with pytest.raises(InstrumentError, match=r"EX:XYZ could be EX:X/YZ or EX:XY/Z, .* write one of these"):
        SPLITS.read("XYZ", "EX")
    with pytest.raises(InstrumentError, match=r"EX:QRS could be EX:Q/RS or EX:QR/S"):
        SPLITS.read("QRS", "EX")
    assert str(SPLITS.read("XYZ.P", "EX")) == "EX:XYZ.P", "a contract is no split of a pair"


def test_a_split_that_is_not_listed_is_another_instrument() -> None:
    directory = Directory([listed("EX:XYZ", base="XY", quote="Z")])
    assert str(directory.read("XYZ", "EX")) == str(directory.read("XY/Z", "EX")) == "EX:XYZ"
    assert str(directory.read("X/YZ", "EX")) == "EX:X/YZ"
    with pytest.raises(InstrumentError, match=r"unknown instrument EX:X/YZ; did you mean EX:XYZ\?"):
        directory.check(directory.read("X/YZ", "EX"))


def test_a_relisting_is_another_instrument() -> None:
    directory = Directory([listed("EX:LUNAUSDT", base="LUNA", quote="USDT"), listed("EX:LUNAUSDT.2")])
    assert str(directory.read("LUNAUSDT.1", "EX")) == str(directory.read("LUNA/USDT.1", "EX")) == "EX:LUNAUSDT"
    assert str(directory.read("LUNA/USDT.2", "EX")) == "EX:LUNAUSDT.2"
    with pytest.raises(InstrumentError, match=r"EX:LUNAUSDT could be EX:LUNAUSDT\.1 or EX:LUNAUSDT\.2"):
        directory.read("LUNAUSDT", "EX")
    only_second = Directory([listed("EX:LUNAUSDT.2")])
    assert str(only_second.read("LUNAUSDT", "EX")) == "EX:LUNAUSDT", "a name never passes to another instrument"


def test_what_a_name_adds_to_a_listing() -> None:
    directory = Directory([listed("EX:BTCUSDT"), listed("EX:XYZ", base="XY", quote="Z")])
    assert directory.listing("BTC/USDT", "EX") == listed("EX:BTCUSDT", base="BTC", quote="USDT")
    assert directory.listing("X/YZ", "EX") == listed("EX:X/YZ", base="X", quote="YZ")
    assert directory.listing("ETHUSDT", "EX") == listed("EX:ETHUSDT")


@pytest.mark.parametrize(
    ("directory", "names"),
    [
        ([listed("EX:A", "B"), listed("EX:B")], "EX:B would name both EX:[AB] and EX:[AB]"),
        ([listed("EX:A", "C"), listed("EX:B", "c")], "EX:C would name both"),
        ([listed("EX:AB.P", "A-B"), listed("EX:AB")], "EX:A-B would name both"),
        ([listed("EX:A", "B^"), listed("EX:B", "EX:b^")], "would name both"),
        ([listed("EX:ABC", "A/BC"), listed("EX:A/BC")], "EX:A/BC would name both"),
    ],
)
def test_an_alias_names_only_one(directory: list[Listing], names: str) -> None:
    with pytest.raises(InstrumentError, match=names):
        Directory(directory).check_names()


@pytest.mark.parametrize("alias", ["", "  ", 'A"B', "A\nB", "\x1b[2J", "x" * 65])
def test_an_alias_can_be_written(alias: str) -> None:
    with pytest.raises(InstrumentError, match=r"alias .* cannot be written; use 1 to 64 printable characters"):
        listed("EX:A", alias)


def test_base_and_quote_are_the_letters() -> None:
    for base, quote in (("BTC", "USD"), ("BTC", None), (None, "USDT"), ("USDT", "BTC")):
        with pytest.raises(InstrumentError, match="do not make up EX:BTCUSDT"):
            listed("EX:BTCUSDT", base=base, quote=quote)


def test_what_is_unknown_is_told_with_what_is_near() -> None:
    names = [
        "BINANCE:BTCUSDT",
        "BINANCE:ETHUSDT",
        "KRAKEN:BTCEUR",
        *(f"BINANCE:T{number}USDT" for number in range(3000)),
    ]
    directory = Directory(map(listed, names))
    directory.check(Instrument("BINANCE", "ETHUSDT"))
    for wrong, hint in (
        ("BINANCE:BTCUSTD", "did you mean BINANCE:BTCUSDT"),
        ("BINANCE:XTHUSDT", "BINANCE:ETHUSDT"),
        ("KRAKEN:BTCUSDT", r"did you mean BINANCE:BTCUSDT\?"),
        ("NYSE:AAPL", "3003 others are known"),
    ):
        with pytest.raises(
            InstrumentError, match=rf"unknown instrument {wrong}; .*{hint}.*hub instruments add {wrong}"
        ):
            directory.check(Instrument(*wrong.split(":")))
    assert len(directory.nearest(Instrument("BINANCE", "T1234USD"))) == 3
    with pytest.raises(InstrumentError, match="import candles first"):
        Directory().check(Instrument("BINANCE", "BTCUSDT"))


@settings(max_examples=50, deadline=None)
@given(listings())
def test_every_alias_means_its_instrument_or_is_refused(names: list[Listing]) -> None:
    directory = Directory(names)
    try:
        directory.check_names()
    except InstrumentError:
        return
    for listing in names:
        for alias in listing.aliases:
            assert directory.read(alias, "EX") == listing.instrument


@settings(max_examples=50, deadline=None)
@given(listings(), spellings(few_letters))
def test_a_text_never_means_another_instrument_than_it_says(names: list[Listing], said: Spelling) -> None:
    directory = Directory([Listing(one.instrument, base=one.base, quote=one.quote) for one in names])
    try:
        instrument = directory.read(said.symbol(split=True), "EX")
    except InstrumentError:
        return
    assert (instrument.kind, instrument.expiry, instrument.settle) == (said.kind, said.expiry, said.settle)
    listing = directory.by_instrument.get(instrument)
    if said.quote is not None and listing is not None and listing.base is not None:
        assert (listing.base, listing.quote) == (said.base, said.quote)


@settings(max_examples=50, deadline=None)
@given(listings(), listings(), st.data())
def test_an_id_does_not_depend_on_the_list(names: list[Listing], others: list[Listing], data: st.DataObject) -> None:
    if not names:
        return
    canonical = f"{data.draw(st.sampled_from(names)).instrument} 1h: rsi(14, close) < 30"
    expected = Condition.from_canonical(canonical)
    for directory in (Directory(names), Directory(others)):
        with reading(directory):
            assert Condition.from_canonical(canonical) == expected
    # At the door, the text may also be refused, and a slash that the list does not need says nothing.
    plain = Condition.parse(canonical)
    for listed_names in (names, others):
        with reading(Directory(replace(one, aliases=()) for one in listed_names)), suppress(ConditionError):
            assert Condition.parse(canonical) in (expected, plain)


def test_names_are_read_with_the_list_inside_the_block_only() -> None:
    text = '"OKX:XBT perpetual" 1h: close > close@"NSE:Mahindra^" and rsi@OKX:BTC-USD-SWAP < 30'
    with reading(PERPETUALS):
        condition = Condition.parse(text)
        assert Condition.parse("M&M 1d: close > 1", default_exchange="NSE").series == "NSE:MM 1d"
    assert str(condition) == "OKX:BTCUSDT.P 1h: close > close@NSE:MM and rsi(14)@BTCUSD.P:BTC < 30"
    assert Condition.parse(str(condition)) == condition
    assert Condition.parse("M&M 1d: close > 1", default_exchange="NSE").series == "NSE:M&M 1d"
    with pytest.raises(InstrumentError):
        Condition.parse("close > 1", symbol="OKX:XBT perpetual", timeframe="1h")


def test_what_an_instrument_is_priced_in_says_its_listing_first() -> None:
    instrument = Instrument("BINANCE", "AUSDT")
    assert Directory().quote_currency(instrument) == "USDT"
    assert Directory([Listing(instrument)]).quote_currency(instrument) == "USDT"
    assert Directory([Listing(instrument, base="AUS", quote="DT")]).quote_currency(instrument) == "DT"
