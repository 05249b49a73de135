"""One account at one exchange, asked through ccxt: what is sent there and what comes back, in exact numbers.

Every request ends in one of four ways: an answer; :class:`common.errors.BrokerRefused`, and it was not carried out;
:class:`common.errors.BrokerBusy`, and it was not carried out either, as the exchange wants to be left alone; or
:class:`common.errors.BrokerUnsure`, and nobody knows. What is unsure is for the caller to find out: no request is
repeated here but one whose time stamp was refused, once the clocks are brought together.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

from bots.arithmetic import ARITHMETIC, ZERO
from bots.brokers.protocol import Balances
from bots.orders import Fill, MarketRules, Order, Side
from candles.answers import retry_after_s
from candles.exchange import moved
from common.clock import Clock
from common.errors import BrokerBusy, BrokerRefused, BrokerUnsure, ExchangeError, InstrumentError, NoSuchMarket
from common.settings import ExchangeAccount
from registry.instruments import Instrument, normalise_instrument

_log = logging.getLogger(__name__)
# ccxt logs the headers of its requests, which have the key in them.
_SILENT = logging.getLogger(f"{__name__}.silent")
_SILENT.setLevel(logging.CRITICAL + 1)

WINDOW_MS = 5_000
"""How old a request may be when it arrives, at exchanges that let their users say so and refuse an older one."""
LONG_WINDOW_MS = 30_000
"""The same at the others; it is OKX's."""
_REST_S = 10.0
"""How long an exchange is left alone that does not say how long."""
_SERVER_ERROR = 500
_WORDS = ("sMsg", "msg", "retMsg", "message")
"""Where exchanges say in words what was wrong."""
_MOST_TRADES = 1_000
"""Asked for at once, where the exchange has no smaller limit."""


@dataclass(frozen=True)
class TradedMarket:
    """A market as ccxt names it, and its rules."""

    symbol: str
    base: str
    quote: str
    rules: MarketRules


@dataclass(frozen=True)
class ExchangeOrder:
    """An order as the exchange sees it."""

    exchange_id: str
    client_id: str
    side: Side
    quantity: Decimal
    filled: Decimal
    is_open: bool
    changed_ms: int
    """When it was changed last."""


class CcxtConnection:
    """One account. Its requests are made one after the other, from any thread."""

    def __init__(self, name: str, account: ExchangeAccount, clock: Clock, *, url: str | None = None) -> None:
        """``name`` is that of the account, for messages; ``url`` is asked in place of the exchange's addresses.

        Raises :class:`common.errors.ExchangeError` for an exchange that ccxt does not know, or that has no sandbox.
        """
        import ccxt
        import requests

        if account.exchange.lower() not in ccxt.exchanges:
            raise ExchangeError(f"exchange {account.exchange} of account {name} is not known to ccxt")
        self.name = name
        self._ccxt: Any = ccxt
        self._cut: type[Exception] = requests.RequestException
        self._answered: type[Exception] = requests.HTTPError
        self._clock = clock
        self._turn = threading.Lock()
        self._rests_until_ms = 0
        self._strange_fees: set[str] = set()
        self._api: Any = getattr(ccxt, account.exchange.lower())(
            {
                "apiKey": account.key.get_secret_value(),
                "secret": account.secret.get_secret_value(),
                "password": account.password.get_secret_value() if account.password else None,
                "enableRateLimit": True,
                "options": {"maxRetriesOnFailure": 0, "fetchCurrencies": False, "fetchMarkets": {"types": ["spot"]}},
            }
        )
        can_say = "recvWindow" in self._api.options
        if can_say:
            self._api.options["recvWindow"] = WINDOW_MS
        self.window_ms = WINDOW_MS if can_say else LONG_WINDOW_MS
        if account.trades == "in the sandbox":
            if not self._api.urls.get("test"):
                raise ExchangeError(
                    f'{account.exchange} has no sandbox; account {name} trades there only "with real money"'
                )
            self._api.set_sandbox_mode(True)
        if url is not None:
            self._api.urls["api"] = moved(self._api.urls["api"], url.rstrip("/"))
        # Numbers come as the text that the exchange sent.
        self._api.number = str
        self._api.logger = _SILENT
        self._api.milliseconds = clock.now_ms
        self._api.handle_errors = self._unavailable_first(self._api.handle_errors)

    def market(self, instrument: Instrument) -> TradedMarket:
        """A spot market. Raises :class:`common.errors.NoSuchMarket`, and what every request may raise."""
        markets: Mapping[str, Any] = self._asked(self._api.load_markets)
        for market in markets.values():
            try:
                listed = normalise_instrument(market["symbol"], instrument.exchange)
            except InstrumentError:
                continue
            if listed == instrument and market["spot"]:
                limits = market["limits"]
                fees = {f"{side}_fee": market[side] for side in ("maker", "taker") if market[side] is not None}
                rules = MarketRules(
                    tick_size=self._step(market, "price"),
                    lot_size=self._step(market, "amount"),
                    min_quantity=limits["amount"]["min"] or ZERO,
                    min_notional=limits["cost"]["min"] or ZERO,
                    **{name: Decimal(str(fee)) for name, fee in fees.items()},
                )
                return TradedMarket(market["symbol"], market["base"], market["quote"], rules)
        raise NoSuchMarket(f"account {self.name} has no spot market {instrument}")

    def send(self, market: TradedMarket, order: Order) -> ExchangeOrder:
        """Send an order."""
        price = None if order.price is None else format(order.price, "f")
        amount = format(order.quantity, "f")
        named = {"clientOrderId": order.client_id}
        answer = self._asked(
            lambda: self._api.create_order(market.symbol, order.kind, order.side, amount, price, dict(named))
        )
        return _order_of({"amount": amount, "side": order.side, **_without_none(answer)}, order.client_id)

    def order(self, market: TradedMarket, client_id: str) -> ExchangeOrder | None:
        """The order of a client id; ``None`` if the exchange does not know it (yet)."""
        try:
            named = {"clientOrderId": client_id}
            answer = self._asked(lambda: self._api.fetch_order(None, market.symbol, dict(named)))
        except BrokerRefused as error:
            if isinstance(error.__cause__, self._ccxt.OrderNotFound):
                return None
            raise
        return _order_of(answer, client_id)

    def open_orders(self, market: TradedMarket) -> dict[str, ExchangeOrder]:
        """Client id -> order in the book of a market."""
        answers: Iterable[Mapping[str, Any]] = self._asked(lambda: self._api.fetch_open_orders(market.symbol))
        return {str(answer["clientOrderId"]): _order_of(answer, str(answer["clientOrderId"])) for answer in answers}

    def fills(self, market: TradedMarket, order: ExchangeOrder) -> list[Fill]:
        """The executions of an order, oldest first."""
        limit = self._api.feature_value_by_type("spot", None, "fetchMyTrades", "limit", _MOST_TRADES) or _MOST_TRADES
        by_id: dict[str, Mapping[str, Any]] = {}
        until: dict[str, int] = {}
        while True:
            page: list[Mapping[str, Any]] = self._asked(
                partial(self._api.fetch_order_trades, order.exchange_id, market.symbol, None, limit, until)
            )
            fresh = {str(trade["id"]): trade for trade in page if str(trade["id"]) not in by_id}
            by_id |= fresh
            if len(page) < limit or not fresh:
                break
            # A page has the newest ones. Those of the same millisecond may be on both.
            until = {"until": min(int(trade["timestamp"]) for trade in page) + 1}
        trades = sorted(by_id.values(), key=lambda trade: int(trade["timestamp"]))
        return [self._fill(market, order, trade) for trade in trades]

    def cancel(self, market: TradedMarket, order: ExchangeOrder) -> None:
        """Take an order back; one that is no longer in the book is left as it is."""
        try:
            self._asked(lambda: self._api.cancel_order(order.exchange_id, market.symbol))
        except BrokerRefused as error:
            if not isinstance(error.__cause__, self._ccxt.OrderNotFound):
                raise

    def balances(self, market: TradedMarket) -> Balances:
        """What the account has of the two coins of a market, with what orders bind."""
        totals: Mapping[str, Any] = self._asked(self._api.fetch_balance)["total"]
        return Balances(Decimal(totals.get(market.base) or 0), Decimal(totals.get(market.quote) or 0))

    def _asked(self, request: Callable[[], Any]) -> Any:
        """The answer to a request."""
        with self._turn:
            left_ms = self._rests_until_ms - self._clock.now_ms()
            if left_ms > 0:
                raise BrokerBusy(f"account {self.name} asks its exchange again in {left_ms / 1000:.0f} s")
            try:
                # ccxt rounds in a context of its own liking, which it leaves behind.
                with localcontext(ARITHMETIC):
                    try:
                        return request()
                    except self._ccxt.InvalidNonce:
                        self._api.load_time_difference()
                        return request()
            except self._ccxt.BaseError as error:
                raise self._problem(error) from error

    def _problem(self, error: Exception) -> Exception:
        """What an error of ccxt means. Its text is only repeated where it is the exchange's: others have addresses."""
        ccxt, kind = self._ccxt, type(error).__name__
        if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            rest_s = self._asked_for_s() or _REST_S
            self._rests_until_ms = self._clock.now_ms() + int(rest_s * 1000)
            _log.warning("account %s: its exchange is left alone for %.0f s", self.name, rest_s)
            return BrokerBusy(f"the exchange of account {self.name} wants to be left alone for {rest_s:.0f} s")
        if isinstance(error, ccxt.InvalidNonce):
            return BrokerBusy(f"the exchange of account {self.name} refuses this machine's time; correct its clock")
        # An answer that breaks off, for which ccxt has no word.
        is_cut = isinstance(error.__cause__, self._cut) and not isinstance(error.__cause__, self._answered)
        if isinstance(error, ccxt.OperationFailed) or is_cut:
            return BrokerUnsure(f"the exchange of account {self.name} did not answer ({kind}); it is asked again")
        if isinstance(error, ccxt.AuthenticationError):
            return BrokerRefused(
                f"the exchange does not accept the key of account {self.name}; correct HUB_EXCHANGE_ACCOUNTS"
            )
        return BrokerRefused(_in_words(str(error)) or kind)

    def _asked_for_s(self) -> float | None:
        headers = {name.lower(): value for name, value in (self._api.last_response_headers or {}).items()}
        return retry_after_s(headers.get("retry-after", ""))

    def _unavailable_first(self, handle: Callable[..., Any]) -> Callable[..., Any]:
        """ccxt's way to find the error in an answer. An error of the server does not say what became of a request,
        however much its body looks like a refusal."""

        def handled(status: int, reason: str, *others: Any) -> Any:
            if status >= _SERVER_ERROR:
                raise self._ccxt.ExchangeNotAvailable(f"{status} {reason}")
            return handle(status, reason, *others)

        return handled

    def _step(self, market: Mapping[str, Any], name: str) -> Decimal:
        """A step of prices or amounts; some exchanges say how many digits there are."""
        said = Decimal(str(market["precision"][name]))
        return said if self._api.precisionMode == self._ccxt.TICK_SIZE else Decimal(1).scaleb(-int(said))

    def _fill(self, market: TradedMarket, order: ExchangeOrder, trade: Mapping[str, Any]) -> Fill:
        fees = dict.fromkeys((market.base, market.quote), ZERO)
        for fee in trade.get("fees") or [trade.get("fee") or {}]:
            cost, currency = Decimal(fee.get("cost") or 0), fee.get("currency")
            if currency in fees:
                fees[currency] += cost
            elif cost and currency not in self._strange_fees:
                self._strange_fees.add(str(currency))
                _log.warning(
                    "account %s pays fees in %s, which profits here leave out; have it pay them in what it trades",
                    self.name, currency,
                )  # fmt: skip
        return Fill(
            fill_id=str(trade["id"]),
            client_id=order.client_id,
            side=order.side,
            time_ms=int(trade["timestamp"]),
            price=Decimal(trade["price"]),
            quantity=Decimal(trade["amount"]),
            fee_quote=fees[market.quote],
            fee_base=fees[market.base],
        )


def _in_words(text: str) -> str:
    """The exchange's own words in the text of an error of ccxt, which is its name and the whole answer."""
    try:
        answer = json.loads(text[text.index("{") :])
    except ValueError:
        answer = {}
    rows = answer.get("data")
    parts = [*rows, answer] if isinstance(rows, list) else [answer]
    said = (part.get(name) for part in parts if isinstance(part, dict) for name in _WORDS)
    words = next((each for each in said if isinstance(each, str) and each), None)
    return (words or text.partition("\n")[0])[:200]


def _order_of(answer: Mapping[str, Any], client_id: str) -> ExchangeOrder:
    changed_ms = next(
        (answer[name] for name in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp") if answer.get(name)), 0
    )
    return ExchangeOrder(
        exchange_id=str(answer["id"]),
        client_id=client_id,
        side=answer["side"],
        quantity=Decimal(answer["amount"]),
        filled=Decimal(answer.get("filled") or 0),
        is_open=answer.get("status") in (None, "open"),
        changed_ms=int(changed_ms),
    )


def _without_none(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if value is not None}
