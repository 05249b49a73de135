"""What exchanges list decides whether an unknown symbol is new or misspelt."""

from pathlib import Path

import pytest

from candles.market_lists import MarketLists
from common.errors import InstrumentError
from registry.directory import Directory
from registry.instruments import Instrument, Listing

BTC = Instrument("BINANCE", "BTCUSDT")
MISSPELT = Instrument("BINANCE", "BTCUSTD")


def test_until_an_exchange_was_asked_it_may_have_everything(tmp_path: Path) -> None:
    assert MarketLists(tmp_path).listing(MISSPELT, Directory()) == Listing(MISSPELT)


def test_then_only_what_it_lists_is_accepted(tmp_path: Path) -> None:
    lists = MarketLists(tmp_path)
    MarketLists(tmp_path).write("BINANCE", {BTC: "BTC/USDT"})
    assert lists.listing(BTC, Directory()).instrument == BTC
    with pytest.raises(InstrumentError, match=r"no such market at binance .did you mean BTCUSDT\?"):
        lists.listing(MISSPELT, Directory())


def test_a_list_that_is_written_again_counts_at_once(tmp_path: Path) -> None:
    lists = MarketLists(tmp_path)
    lists.write("BINANCE", {BTC: "BTC/USDT"})
    fresh = Instrument("BINANCE", "NEWUSDT")
    with pytest.raises(InstrumentError):
        lists.listing(fresh, Directory())
    lists.write("BINANCE", {BTC: "BTC/USDT", fresh: "NEW/USDT"})
    assert lists.listing(fresh, Directory()).instrument == fresh


def test_an_exchange_that_cannot_be_asked_lists_nothing_new(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="unknown instrument NSE:INFY"):
        MarketLists(tmp_path).listing(Instrument("NSE", "INFY"), Directory())


def test_the_lists_are_private(tmp_path: Path) -> None:
    MarketLists(tmp_path).write("BINANCE", {BTC: "BTC/USDT"})
    (written,) = (tmp_path / "markets").iterdir()
    assert written.name == "BINANCE.json"
    assert written.stat().st_mode & 0o077 == 0
    assert written.parent.stat().st_mode & 0o077 == 0
