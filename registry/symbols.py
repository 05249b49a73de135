"""How symbols are written: the canonical spelling, and what people, exchanges and platforms write instead.

    BTCUSDT             spot; also stocks and whatever else has a ticker: AAPL, BRK.B, M&M, 币安人生USDT
    BTCUSDT.P           a perpetual contract, settled in its quote currency
    BTCUSD.P:BTC        a perpetual contract that is settled in another currency
    BTCUSDT-20250328    a contract that expires on that day; likewise BTCUSD-20250328:BTC
    LUNAUSDT.2          the second instrument that the exchange lists under the same ticker; likewise LUNAUSDT.2.P
    X/YZ                a pair of which the exchange lists another split, XY/Z

A canonical symbol is letters of any script in capitals, digits and ``&``, in parts that only the marks above join, so
it needs no quotes in a condition. Letters that end with the currency of settlement end with the quote.

Read as well: separators (``btc/usdt``, ``BTC-USDT``, ``BTC_USDT``), ccxt's unified symbols (``BTC/USDT:USDT``,
``BTC/USD:BTC-250328``), and exchanges' own where they have one meaning (``BTC-USDT-SWAP``, ``BTCUSDT_250328``,
``BTC-USDT-28MAR25``).
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Literal
from unicodedata import category, normalize

from common.errors import InstrumentError

LONGEST = 64
"""Characters of a symbol with its exchange."""
LETTER = r"(?:[A-Z0-9&]|[^\x00-\x7f])"
"""A character of a base, quote or ticker, as a pattern; :func:`is_letter` says which ones beyond ASCII are meant."""
InstrumentKind = Literal["spot", "perpetual", "dated"]

_REMEMBERED = 4096
"""Spellings: the same few are used again and again."""
# A quote currency begins with a letter: what begins with a digit is a day, or a number that a condition subtracts.
_QUOTE = rf"(?![0-9])(?!(?:SWAP|PERP|PERPETUAL)(?!{LETTER})){LETTER}{{1,20}}"
_SPELLING = re.compile(
    rf"(?P<base>{LETTER}{{1,40}})(?:(?P<separator>[/_-])(?P<quote>{_QUOTE}))?"
    r"(?:\.(?P<share>(?!P\b)(?=[0-9]*[A-Z])[A-Z0-9]{1,4}))?(?:\.(?P<number>[1-9][0-9]?))?"
    rf"(?:(?P<perpetual>\.P)|-(?P<expiry>[0-9]{{8}})|[_-](?P<contract>SWAP|PERP|PERPETUAL)"
    r"|[_-](?P<short>[0-9]{6}|[0-9]{1,2}[A-Z]{3}[0-9]{2}))?"
    rf"(?::(?P<settle>{LETTER}{{1,20}})(?:-(?P<unified>[0-9]{{6}}|[0-9]{{8}}))?)?"
)
_QUOTE_CURRENCIES = frozenset(
    {
        "USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "KRW",
        "TRY", "BRL", "INR", "BTC", "XBT", "ETH", "BNB",
    }
)  # fmt: skip
_COINS = frozenset({"BTC", "XBT", "ETH", "BNB"})
_OPTION = re.compile(
    r"[-_:](?:[0-9]{6}|[0-9]{8}|[0-9]{1,2}[A-Z]{3}[0-9]{2})-[0-9]+(?:[.D][0-9]+)?-(?:C|P|CALL|PUT)\b"
    r"|[A-Z]{1,6}[0-9]{6}[CP][0-9]{8}"
)
_MARKS = re.compile(r".*?(?P<perpetual>\.P)?(?:-(?P<expiry>[0-9]{8}))?(?::(?P<settle>[^:]+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a text says of a symbol, all names in capitals."""

    base: str
    """All letters of the pair where ``quote`` is ``None``."""
    quote: str | None = None
    """``None`` where the text does not say where the quote begins, or where there is none."""
    share: str | None = None
    """The class of a share or the market of a ticker: ``B`` of ``BRK.B``."""
    number: int | None = None
    """Which one of the instruments that the exchange has listed under this ticker, from 1; ``None`` if it is not said.
    """
    kind: InstrumentKind = "spot"
    expiry: date | None = None
    settle: str | None = None
    """Where it is not the quote currency."""

    @property
    def letters(self) -> str:
        """The pair without a separator."""
        return self.base + (self.quote or "")

    @property
    def key(self) -> tuple[str, str | None, InstrumentKind, date | None, str | None]:
        """Equal for all instruments of one exchange that differ in nothing but the split of their letters and their
        number."""
        return self.letters, self.share, self.kind, self.expiry, self.settle

    def symbol(self, *, split: bool = False, numbered: bool = False) -> str:
        """The canonical symbol. ``split`` keeps the slash where the quote begins; ``numbered`` writes the number of a
        first listing, which the canonical symbol leaves out."""
        # Without the slash, letters that end with the currency of settlement would be read as if that were the quote.
        misread = self.settle is not None and _ends_with_other(self.letters, self.settle)
        slash = "/" if self.quote and (split or misread) else ""
        number = self.number or 1
        return (
            f"{self.base}{slash}{self.quote or ''}"
            f"{f'.{self.share}' if self.share else ''}{f'.{number}' if number > 1 or numbered else ''}"
            f"{'.P' if self.kind == 'perpetual' else ''}{f'-{self.expiry:%Y%m%d}' if self.expiry else ''}"
            f"{f':{self.settle}' if self.settle else ''}"
        )


@lru_cache(maxsize=_REMEMBERED)
def read_symbol(text: str) -> Spelling:
    """What a symbol says, without its exchange.

    Raises :class:`InstrumentError` for what is no symbol, for options, and where the text leaves open in which currency
    a contract is settled.
    """
    word = fold(text)
    if _OPTION.search(word):
        raise InstrumentError(
            f"symbol {shown(text)} is an option; conditions watch spot, perpetual and dated instruments: name the one"
            " that it is an option on"
        )
    match = _SPELLING.fullmatch(word) if _is_writable(word) else None
    if match is None or not _is_consistent(match):
        raise InstrumentError(
            f"symbol {shown(text)} is malformed; write it like BTCUSDT, BTC/USDT, BINANCE:BTCUSDT, BTCUSDT.P for a"
            " perpetual contract or BTCUSDT-20250328 for one that expires; any other name can be made an alias"
            " (hub instruments add)"
        )
    base, quote, settle = match["base"], match["quote"], match["settle"]
    expiry = _date(match["expiry"] or match["short"] or match["unified"], text)
    if (match["contract"] or match["short"]) and settle is None:
        _check_settlement(base, quote, expiry, text)
    if settle is not None and (settle == quote or (quote is None and _ends_with_other(base, settle))):
        settle = None
    perpetual = match["perpetual"] or match["contract"] or (match["settle"] and expiry is None)
    return Spelling(
        *(base, quote, match["share"], int(match["number"]) if match["number"] else None),
        *("dated" if expiry else "perpetual" if perpetual else "spot", expiry, settle),
    )


def pair_in(text: str) -> tuple[str, str] | None:
    """Base and quote of a symbol without its exchange, where the text says plainly what they are: parted by a slash, or
    by another mark before a currency. ``BRK-B`` is a share."""
    try:
        said = read_symbol(text)
    except InstrumentError:
        return None
    # KRW-BTC has the quote first, as Upbit writes it.
    turned = said.base in _QUOTE_CURRENCIES and said.quote in _COINS
    plainly = "/" in text or (said.quote in _QUOTE_CURRENCIES and not turned)
    return (said.base, said.quote) if said.quote is not None and plainly else None


def quote_in(symbol: str) -> str | None:
    """The quote currency of a canonical symbol: what stands after its slash, else the longest common currency with
    which its letters end. ``None`` where neither says one, as for a stock."""
    try:
        said = read_symbol(symbol)
    except InstrumentError:
        return None
    if said.quote is not None:
        return said.quote
    likely = likely_pair(said.base)
    return None if likely is None else likely[1]


def likely_pair(letters: str) -> tuple[str, str] | None:
    """Base and quote of the letters of a pair that no list splits: the quote is the longest currency at their end."""
    ends = (letters[start:] for start in range(1, len(letters)))
    quote = next((end for end in ends if end in _QUOTE_CURRENCIES), None)
    return None if quote is None else (letters.removesuffix(quote), quote)


def kind_of(symbol: str) -> InstrumentKind:
    """The kind of a canonical symbol."""
    marks = _marks(symbol)
    return "dated" if marks["expiry"] else "perpetual" if marks["perpetual"] else "spot"


def expiry_of(symbol: str) -> date | None:
    """The day on which a canonical symbol expires."""
    expiry = _marks(symbol)["expiry"]
    return None if expiry is None else datetime.strptime(expiry, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone


def settle_of(symbol: str) -> str | None:
    """The currency in which a canonical symbol is settled, where it is not the quote."""
    return _marks(symbol)["settle"]


def fold(text: str) -> str:
    """The text in capitals, without blanks around it; empty if it is longer than any symbol.

    What is no letter of a symbol keeps its case: ``ß`` does not become ``SS``.
    """
    if len(text) > LONGEST:
        return ""
    if text.isascii():
        return text.strip().upper()
    letters = normalize("NFC", text.strip())
    return normalize("NFC", "".join(one.upper() if one.isascii() or is_letter(one) else one for one in letters))


def is_letter(character: str) -> bool:
    """Whether a character beyond ASCII may be part of a symbol: a letter, or a mark on one, that does not stand for
    letters of ASCII in another case or form, as ``ß`` does for SS."""
    return category(character)[0] in "LM" and not any(
        form.isascii() for form in normalize("NFKC", character) + character.lower() + character.upper()
    )


def shown(text: str) -> str:
    """A name in a message: short, and without what could harm a terminal."""
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "...")


def _is_writable(word: str) -> bool:
    """Whether all characters of a folded word beyond ASCII are letters that stay what they are when folded again."""
    return word.isascii() or (all(one.isascii() or is_letter(one) for one in word) and fold(word) == word)


def _is_consistent(match: re.Match[str]) -> bool:
    """A settlement stands behind a kind, or makes one in ccxt's form, which has a slash and no kind of its own."""
    if match["perpetual"] or match["expiry"]:
        return match["unified"] is None
    return match["settle"] is None or (match["separator"] == "/" and not match["contract"] and not match["short"])


def _check_settlement(base: str, quote: str | None, expiry: date | None, text: str) -> None:
    """Refuses names under which some exchanges list a contract settled in the base, others one settled in the quote."""
    if quote not in (None, "USD") or (quote is None and expiry is not None and base.endswith(("USDT", "USDC"))):
        return
    # Names such as BTC-PERPETUAL leave out even the quote currency.
    coin = base if quote is not None else base.removesuffix("USDT").removesuffix("USDC").removesuffix("USD")
    name = f"{coin}{quote or 'USD'}{f'-{expiry:%Y%m%d}' if expiry else '.P'}"
    raise InstrumentError(
        f"symbol {shown(text)} does not say what the contract is settled in; write {name} if that is its quote"
        f" currency, {name}:{coin} if it is {coin}; or any name can be made an alias (hub instruments add)"
    )


def _ends_with_other(letters: str, settle: str) -> bool:
    return letters.endswith(settle) and letters != settle


def _date(digits: str | None, text: str) -> date | None:
    if digits is None:
        return None
    # Not with %y, which takes a year from 69 on for one of the last century.
    if not digits.isdecimal():
        day, form = f"{digits[:-2]}20{digits[-2:]}", "%d%b%Y"
    else:
        day, form = digits if len(digits) == 8 else f"20{digits}", "%Y%m%d"
    try:
        return datetime.strptime(day, form).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise InstrumentError(
            f"symbol {shown(text)} expires on {digits}, which is no day; write it like 20250328"
        ) from None


@lru_cache(maxsize=_REMEMBERED)
def _marks(symbol: str) -> re.Match[str]:
    match = _MARKS.fullmatch(symbol)
    assert match is not None, "the pattern begins with anything and ends with options"
    return match
