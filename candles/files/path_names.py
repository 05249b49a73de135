"""What a file's name and folders say of its series: guesses, which options and columns override.

BTCUSDT-1h-2024-12.csv   spot/.../BTCUSDT-1h.zip          Binance's dumps: BTCUSDT
futures/um/.../BTCUSDT-1h-2024-12.csv                     the same names for perpetuals: BTCUSDT.P
futures/cm/.../BTCUSD_PERP-1h-2024-12.csv                 settled in the base: BTC/USD:BTC
BTC_USDT-1h.feather   futures/BTC_USDT_USDT-1h-futures.feather    freqtrade's: BTC/USDT, BTC/USDT:USDT
ADAUSDT_60m.csv   XAUUSD_M15.csv   XAUUSD_M15_202401020000_202406282345.csv    MetaTrader's
EURUSD60.csv   EURUSD_Daily_201001040000.csv                      MetaTrader's, too
XBTUSD_60.csv   BTCUSDT_60_2024-01-01_2024-01-31.csv              minutes: Kraken's, Bybit's
NASDAQ_AAPL, 60.csv   BINANCE_BTCUSDT, 1D.csv             TradingView's
Bitstamp_BTCUSD_1h.csv   Binance_BTCUSDT_d.csv   Gemini_BTCUSD_2024_1min.csv        CryptoDataDownload's
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import CandleFileError

Market = Literal["spot", "um", "cm"]
"""Binance's words: spot, and futures that settle in the quote currency (um) or in the base (cm)."""

_TIMEFRAME = r"(?P<timeframe>[0-9]{1,5}[A-Za-z]{1,3})"
# Upper case only and nothing but a date after it: "spy_ADJUSTED-1d" and "BTC_USDT_USDT-1h-mark" are not what they seem.
_DUMP = re.compile(
    rf"(?P<symbol>[A-Z0-9]{{2,20}}(?:[_-][A-Z0-9]{{2,10}})?)[-_]{_TIMEFRAME}(?:[-_][0-9]{{4}}(?:-[0-9]{{2}}){{0,2}})?"
)
_FREQTRADE_FUTURES = re.compile(
    rf"(?P<base>[A-Z0-9]{{2,20}})_(?P<quote>[A-Z0-9]{{2,10}})_(?P<settle>[A-Z0-9]{{2,10}})-{_TIMEFRAME}-futures"
)
_METATRADER = re.compile(r"(?:[a-z0-9]+_)?(?P<symbol>[A-Z0-9]{2,20})_(?P<unit>M|H|D|W)(?P<count>\d{1,2})(?:_\d+){0,2}")
# A number that may count minutes proves little, so that the symbol has to end with a currency.
_PAIR = r"[A-Z0-9]{2,12}(?:USDT|USDC|BUSD|FDUSD|USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|BTC|XBT|ETH|KRW|TRY|BRL)"
_METATRADER_WORDS = re.compile(r"(?P<symbol>[A-Z0-9]{2,20})_(?P<timeframe>Daily|Weekly|Monthly)(?:_\d+){0,2}")
_MINUTES = re.compile(rf"(?P<symbol>{_PAIR})_?(?P<count>\d{{1,5}})(?:_\d{{4}}-\d\d-\d\d){{0,2}}")
_CRYPTODATADOWNLOAD = re.compile(
    rf"(?P<exchange>[A-Z][A-Za-z0-9]{{1,19}})_(?P<symbol>{_PAIR})(?:_\d{{4}})?_"
    r"(?P<timeframe>d|1d|daily|day|\d{0,2}h|\d{0,2}hr|hour|minute|\d{1,2}m|\d{1,2}min)"
)
_TRADINGVIEW = re.compile(
    r"(?P<exchange>[A-Z][A-Z0-9]{1,19})_(?P<symbol>[A-Z0-9]{1,20}(?:\.P)?), (?P<timeframe>[0-9]{1,4}[A-Z]?)"
    r"(?:_[0-9a-f]+)?"
)
_PATTERNS = (
    _TRADINGVIEW, _FREQTRADE_FUTURES, _CRYPTODATADOWNLOAD, _MINUTES, _METATRADER_WORDS, _METATRADER, _DUMP
)  # fmt: skip
_METATRADER_MONTH = "43200"
"""Minutes of 30 days."""
_NOT_TRADED = {"markpriceklines": "mark prices", "indexpriceklines": "index prices", "premiumindexklines": "premiums"}


@dataclass(frozen=True)
class PathNames:
    """The exchange, symbol and timeframe that a path names, in spellings of its own; ``None`` where it does not."""

    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None


def names_in_path(path: Path) -> PathNames:
    """What a path says of the series in its file."""
    stem = path.name.split(".csv")[0] if ".P, " in path.name else path.name.split(".")[0]
    match = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(stem))), None)
    if match is None:
        return PathNames()
    parts = match.groupdict()
    symbol = parts["symbol"] if "symbol" in parts else f"{parts['base']}/{parts['quote']}:{parts['settle']}"
    timeframe = parts["timeframe"] if "timeframe" in parts else f"{parts['count']}{parts.get('unit', 'm').lower()}"
    return PathNames(parts.get("exchange"), symbol, "1mo" if timeframe == f"{_METATRADER_MONTH}m" else timeframe)


def in_market(symbol: str, path: Path) -> str:
    """A symbol of a file's name in the market that its folders name.

    Raises :class:`CandleFileError` where they name futures and not which, or prices at which nothing is traded.
    """
    folders = [part.lower() for part in path.resolve().parent.parts]
    of_what = next((_NOT_TRADED[folder] for folder in folders if folder in _NOT_TRADED), None)
    if of_what is not None:
        raise CandleFileError(
            f"{path}: its folder says that these are {of_what}, at which nobody trades; name them with --symbol"
        )
    match _market(folders):
        case "um" if "_" not in symbol and "/" not in symbol:
            return f"{symbol}.P"
        case "cm" if symbol.endswith("_PERP"):
            pair = symbol.removesuffix("_PERP")
            return f"{pair.removesuffix('USD')}/USD:{pair.removesuffix('USD')}"
        case None if "futures" in folders and "/" not in symbol:
            raise CandleFileError(
                f"{path}: its folder says that these are futures, but not which; put them under futures/um or "
                f"futures/cm as Binance does, or name the instrument, for example --symbol {symbol}.P"
            )
    return symbol


def _market(folders: list[str]) -> Market | None:
    """The market of the innermost folder that names one."""
    for before, folder in reversed(list(zip(["", *folders], folders, strict=False))):
        if folder == "spot":
            return "spot"
        if before == "futures" and folder in ("um", "cm"):
            return "um" if folder == "um" else "cm"
    return None
