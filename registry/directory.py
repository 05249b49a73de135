"""The instruments that a hub lists, by all their names: aliases become canonical names here, at the door.

A name that could mean several listed instruments is refused with the names to choose from. A name that means none is
read by the rules of spelling (:mod:`registry.symbols`); :meth:`Directory.check` refuses it where only listed
instruments will do.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import count
from types import MappingProxyType

from common.errors import InstrumentError
from registry.instruments import Instrument, Listing, normalise_exchange, split_exchange
from registry.symbols import Spelling, fold, quote_in, read_symbol

_HINTS = 3
_REMEMBERED = 1024
_NEIGHBOURS = 30
"""Names before and after a misspelled one in the alphabet, forwards and backwards, among which hints are sought."""
# Below are those of registry.naming.
_NUMBERS = count(2)


class Directory:
    """Listings with everything by which they can be named. Never changes; another list is another directory."""

    def __init__(self, listings: Iterable[Listing] = ()) -> None:
        self.number = next(_NUMBERS)
        self.listings: Sequence[Listing] = tuple(listings)
        self.by_instrument: Mapping[Instrument, Listing] = MappingProxyType(
            {listing.instrument: listing for listing in self.listings}
        )
        # Bots register many conditions on one instrument: what it is like is found out once.
        self.nearest: Callable[[Instrument], Sequence[str]] = lru_cache(maxsize=_REMEMBERED)(self._nearest)
        """At most three names that are like that of an instrument which is not listed, the most similar first."""
        self._by_alias: dict[tuple[str, str], Instrument] = {}
        self._alike: dict[tuple[object, ...], list[Listing]] = {}
        """Exchange and key of a spelling -> the listings that only a split or a number tells apart."""
        for listing in self.listings:
            for alias in listing.aliases:
                self._by_alias[_alias_key(alias, listing)] = listing.instrument
            if (own := listing.spelling) is not None:
                self._alike.setdefault((listing.instrument.exchange, *own.key), []).append(listing)

    def __contains__(self, instrument: Instrument) -> bool:
        return instrument in self.by_instrument

    def read(self, text: str, default_exchange: str) -> Instrument:
        """The instrument that a text names, whether or not it is listed.

        Raises :class:`InstrumentError` for what is neither an alias nor a symbol, and for what could be several.
        """
        exchange, symbol = split_exchange(text, "")
        exchange = exchange or normalise_exchange(default_exchange)
        if (listed := self._by_alias.get((exchange, fold(symbol)))) is not None:
            return listed
        spelling = read_symbol(symbol)
        alike = self._alike.get((exchange, *spelling.key))
        return Instrument(exchange, spelling.symbol()) if alike is None else _choice(exchange, spelling, alike)

    def listing(self, text: str, default_exchange: str) -> Listing:
        """What is listed of the instrument that a name means, or the plainest listing of one that is not; with the base
        and quote that the name says, unless others are known."""
        instrument = self.read(text, default_exchange)
        listing = self.by_instrument.get(instrument, Listing(instrument))
        try:
            said = read_symbol(split_exchange(text, "")[1])
        except InstrumentError:
            return listing
        pair, own = listing.pair, listing.spelling
        if pair is None and said.quote is not None and own is not None and own.letters == said.letters:
            pair = said.base, said.quote
        return listing if pair is None else replace(listing, base=pair[0], quote=pair[1])

    def quote_currency(self, instrument: Instrument) -> str | None:
        """What an instrument is priced in: as its listing says, else as its name does; ``None`` if neither does."""
        listing = self.by_instrument.get(instrument)
        pair = None if listing is None else listing.pair
        return quote_in(instrument.symbol) if pair is None else pair[1]

    def check(self, instrument: Instrument) -> None:
        """Raises :class:`InstrumentError` for an instrument that is not listed, with the names nearest to it."""
        if instrument in self.by_instrument:
            return
        if (named := self._by_alias.get((instrument.exchange, fold(instrument.symbol)))) is not None:
            raise InstrumentError(f"{instrument} is another name for {named}; write {named}")
        if not self.listings:
            known = "no instruments are known, import candles first"
        elif nearest := self.nearest(instrument):
            known = f"did you mean {' or '.join(nearest)}?"
        else:
            known = f"{len(self.listings)} others are known"
        raise InstrumentError(
            f"unknown instrument {instrument}; {known} (operators make it known: hub instruments add {instrument})"
        )

    def check_names(self) -> None:
        """Raises :class:`InstrumentError` for an alias that names several instruments."""
        claimed: dict[tuple[str, str], Instrument] = {}
        for listing in self.listings:
            for alias in listing.aliases:
                exchange, name = key = _alias_key(alias, listing)
                others = {claimed.setdefault(key, listing.instrument)}
                others |= {one for one in self._spelled(exchange, name) if one in self.by_instrument}
                if others := others - {listing.instrument}:
                    raise InstrumentError(
                        f"{exchange}:{name} would name both {min(others)} and {listing.instrument}; an alias must name"
                        " only one"
                    )

    def _nearest(self, instrument: Instrument) -> Sequence[str]:
        # The same symbol at another exchange is a better guess than a similar symbol at the same exchange.
        elsewhere = [str(one) for one in self._by_symbol.get(instrument.symbol, ())]
        if elsewhere:
            return elsewhere[:_HINTS]
        name = str(instrument)
        forwards, backwards = self._alphabets
        around = {*_around(forwards, name), *(one[::-1] for one in _around(backwards, name[::-1]))}
        return get_close_matches(name, sorted(around), n=_HINTS, cutoff=0.6)

    @cached_property
    def _by_symbol(self) -> dict[str, list[Instrument]]:
        by_symbol: dict[str, list[Instrument]] = {}
        for instrument in sorted(self.by_instrument):
            by_symbol.setdefault(instrument.symbol, []).append(instrument)
        return by_symbol

    @cached_property
    def _alphabets(self) -> tuple[list[str], list[str]]:
        names = list(map(str, self.by_instrument))
        return sorted(names), sorted(name[::-1] for name in names)

    def _spelled(self, exchange: str, name: str) -> list[Instrument]:
        """The listed instruments that a name could mean if it were no alias."""
        try:
            spelling = read_symbol(name)
        except InstrumentError:
            return []
        alike = self._alike.get((exchange, *spelling.key), ())
        return [listing.instrument for listing in alike if _fits(spelling, listing)]


def _choice(exchange: str, spelling: Spelling, alike: Sequence[Listing]) -> Instrument:
    """Which of several listings a spelling means; all of them have its letters, kind, expiry and settlement."""
    fitting = [listing for listing in alike if _fits(spelling, listing)]
    if spelling.quote is not None and len(fitting) > 1:
        fitting = [listing for listing in fitting if listing.pair is not None] or fitting
    own = Instrument(exchange, spelling.symbol())
    if len(fitting) == 1:
        only = fitting[0].instrument
        # Letters alone never mean an instrument whose name says more: it is not the only one that there has been.
        return only if spelling.quote is not None or spelling.number is not None else own
    if not fitting:
        return Instrument(exchange, spelling.symbol(split=True))
    numbers, splits = len({_number(each) for each in fitting}) > 1, len({each.pair for each in fitting} - {None}) > 1
    names = [f"{exchange}:{_told_apart(each, number=numbers, split=splits)}" for each in fitting]
    raise InstrumentError(
        f"{exchange}:{spelling.symbol()} could be {' or '.join(names)}, which the exchange lists under the same"
        " letters; write one of these"
    )


def _fits(spelling: Spelling, listing: Listing) -> bool:
    """Whether a listing is what a spelling with its letters says beyond them."""
    split = listing.pair
    return (spelling.quote is None or split in (None, (spelling.base, spelling.quote))) and (
        spelling.number is None or spelling.number == _number(listing)
    )


def _number(listing: Listing) -> int:
    own = listing.spelling
    return 1 if own is None or own.number is None else own.number


def _told_apart(listing: Listing, *, number: bool, split: bool) -> str:
    """A listing's symbol with its number or split written out, whichever tells it apart."""
    own, pair = listing.spelling, listing.pair
    if own is None:
        return listing.instrument.symbol
    if pair is not None:
        own = replace(own, base=pair[0], quote=pair[1])
    return own.symbol(split=split, numbered=number)


def _alias_key(alias: str, listing: Listing) -> tuple[str, str]:
    exchange, name = split_exchange(alias, listing.instrument.exchange)
    return exchange, fold(name)


def _around(names: Sequence[str], name: str) -> Sequence[str]:
    at = bisect_left(names, name)
    return names[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
