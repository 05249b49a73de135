"""The instruments that exchanges list, in files of the data folder: ingest writes them, and the service reads them to
tell a new symbol from a misspelt one, without asking an exchange."""

import os
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import msgspec

from common.errors import InstrumentError
from common.private_files import make_private_folder, write_private
from common.settings import Settings
from common.spelling import did_you_mean
from registry.directory import Directory
from registry.instruments import Instrument, Listing
from registry.store.parts.candles import CandleStore


class MarketLists:
    """The lists of a data folder."""

    @classmethod
    def where_fetched(cls, settings: Settings) -> "MarketLists | None":
        """Those of the configured data folder; ``None`` if its hub fetches no candles, so that instruments become known
        by imports alone."""
        return None if {"worker", "ingest"} & set(settings.without) else cls(settings.data_dir)

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "markets"
        self._read: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._ccxt: frozenset[str] | None = None

    def write(self, exchange: str, symbols: Mapping[Instrument, str]) -> None:
        """Keep what an exchange lists: instrument -> its symbol as ccxt writes it."""
        make_private_folder(self._folder)
        draft = self._folder / f".{exchange}.{os.getpid()}"
        names = {instrument.symbol: symbol for instrument, symbol in symbols.items()}
        write_private(draft, msgspec.json.encode(names).decode())
        draft.replace(self._path(exchange))

    def write_spot_listings(self, exchange: str, listings: Sequence[Mapping[str, Any]]) -> None:
        """Keep what an exchange itself says of its spot markets."""
        make_private_folder(self._folder)
        draft = self._folder / f".{exchange}.spot.{os.getpid()}"
        write_private(draft, msgspec.json.encode(listings).decode())
        draft.replace(self._spot_path(exchange))

    def spot_listings(self, exchange: str) -> tuple[float, Sequence[Mapping[str, Any]]] | None:
        """What an exchange said of its spot markets, and when; ``None`` where it was not asked."""
        path = self._spot_path(exchange)
        try:
            return path.stat().st_mtime, msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
        except (OSError, msgspec.MsgspecError):
            return None

    def spot_listings_changed(self, exchange: str) -> float | None:
        """When :meth:`spot_listings` changed last."""
        try:
            return self._spot_path(exchange).stat().st_mtime
        except OSError:
            return None

    def listing(self, instrument: Instrument, directory: Directory) -> Listing:
        """What to list of an instrument that the hub does not know yet, if its exchange has it or may have it.

        As long as nobody has asked the exchange what it lists, it may have everything: then ingest finds out. Raises
        :class:`common.errors.InstrumentError` if the exchange does not list it, or is not known to ccxt.
        """
        exchange = instrument.exchange
        symbols = self._of(exchange)
        if symbols is None:
            if exchange.lower() not in self._known_exchanges():
                directory.check(instrument)
            return Listing(instrument)
        symbol = symbols.get(instrument.symbol)
        if symbol is None:
            hint = did_you_mean(instrument.symbol, symbols, cutoff=0.7)
            raise InstrumentError(f"unknown instrument {instrument}: no such market at {exchange.lower()}{hint}")
        listing = directory.listing(f"{exchange}:{symbol}", exchange)
        return listing if listing.instrument == instrument else Listing(instrument)

    def list_new(self, instruments: Collection[Instrument], candles: CandleStore) -> None:
        """List those of some instruments that a store does not know yet.

        Raises :class:`common.errors.InstrumentError` as :meth:`listing`; then none is listed.
        """
        directory = candles.directory()
        if unknown := sorted(each for each in instruments if each not in directory):
            candles.list_instruments([self.listing(each, directory) for each in unknown])

    def _path(self, exchange: str) -> Path:
        return self._folder / f"{exchange}.json"

    def _spot_path(self, exchange: str) -> Path:
        return self._folder / f"{exchange}.spot.json"

    def _of(self, exchange: str) -> Mapping[str, str] | None:
        path = self._path(exchange)
        try:
            changed = path.stat().st_mtime
            if exchange not in self._read or self._read[exchange][0] != changed:
                self._read[exchange] = changed, msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError):
            return None
        return self._read[exchange][1]

    def _known_exchanges(self) -> frozenset[str]:
        """The exchanges that ccxt knows. It is not imported for that, which would take seconds and 90 MB."""
        if self._ccxt is None:
            package = find_spec("ccxt")
            places = [] if package is None else package.submodule_search_locations or []
            self._ccxt = frozenset(module.name for module in iter_modules(places) if not module.ispkg)
        return self._ccxt


def check_known(instrument: Instrument, directory: Directory, markets: MarketLists | None) -> None:
    """Raises :class:`common.errors.InstrumentError` for an instrument that is neither listed nor can be fetched."""
    if markets is None:
        directory.check(instrument)
    elif instrument not in directory:
        markets.listing(instrument, directory)
