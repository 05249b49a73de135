"""Random instruments of every kind, and lists of them."""

from datetime import date

from hypothesis import strategies as st

from registry.instruments import Instrument, Listing
from registry.symbols import InstrumentKind, Spelling

letters = st.text(st.sampled_from("ABCPUSDT01&币ÉЯ"), min_size=1, max_size=5)
few_letters = st.text(st.sampled_from("AB"), min_size=1, max_size=2)
"""So few that pairs often have the same letters."""
quotes = letters.filter(lambda name: not name[0].isdecimal())
days = st.dates(date(2020, 1, 1), date(2069, 12, 31))
kinds: st.SearchStrategy[InstrumentKind] = st.sampled_from(["spot", "perpetual", "dated"])


@st.composite
def spellings(draw: st.DrawFn, names: st.SearchStrategy[str] = letters) -> Spelling:
    """What a text in any form could say of an instrument."""
    base = draw(names)
    quote = draw(st.none() | names.filter(lambda name: not name[0].isdecimal()))
    kind = draw(kinds)
    settle = draw(st.none() | names) if kind != "spot" else None
    if settle == quote or (quote is None and settle is not None and base != settle and base.endswith(settle)):
        settle = None
    share = draw(st.none() | st.sampled_from(["B", "HK", "0A"]))
    number = draw(st.none() | st.integers(1, 99))
    return Spelling(base, quote, share, number, kind, draw(days) if kind == "dated" else None, settle)


@st.composite
def listings(draw: st.DrawFn) -> list[Listing]:
    """Lists in which many names are alike, with aliases that may clash."""
    said = draw(st.lists(spellings(few_letters), max_size=6))
    unique = {Instrument("EX", one.symbol(split=draw(st.booleans()))): one for one in said}
    names = st.one_of(few_letters, spellings(few_letters).map(lambda one: one.symbol(split=True)))
    aliases = st.lists(names, max_size=2).map(tuple)
    return [
        Listing(instrument, draw(aliases), base=one.base, quote=one.quote)
        if one.quote is not None and draw(st.booleans())
        else Listing(instrument, draw(aliases))
        for instrument, one in unique.items()
    ]
