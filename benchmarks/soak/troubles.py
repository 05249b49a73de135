"""What goes wrong with the exchange of a soak, one thing after another, each followed by a calm."""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.slots import slots_of
from common.timeframes import DURATION_MS
from hub.demo.simulated_exchange import Fault, SimulatedExchange

_MINUTE = DURATION_MS["1m"]
LASTS_MS, CALM_MS = 3 * _MINUTE, 2 * _MINUTE
LAST_CALM_MS = 15 * _MINUTE
"""Nothing goes wrong at the end, so that everything can be caught up on by then."""
_CUT_EVERY_MS = 5_000
_FACTOR = 1.001
_LATE_MS, _VERY_LATE_MS = 5_000, 50_000


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong: ``begin`` at its start, ``keep`` again and again until its end."""

    name: str
    begin: Callable[[SimulatedExchange], None] = lambda _: None
    keep: Callable[[SimulatedExchange], None] = lambda _: None


def _answers(*faults: Fault) -> Callable[[SimulatedExchange], None]:
    """Every request for candles gets one of these answers."""

    def keep(exchange: SimulatedExchange) -> None:
        exchange.faults.extend(faults[len(exchange.faults) :])

    return keep


def _sockets(**wrong: bool | int) -> Callable[[SimulatedExchange], None]:
    def begin(exchange: SimulatedExchange) -> None:
        for name, value in wrong.items():
            setattr(exchange.socket_faults, name, value)

    return begin


def _lose_candles(exchange: SimulatedExchange) -> None:
    """The next candles of every fifth pair never exist."""
    for pair in exchange.pairs[::5]:
        for timeframe in ("1m", "5m"):
            first = slots_of(timeframe).number(exchange.now_ms())
            exchange.missing |= {
                (pair.base + pair.quote, timeframe, slots_of(timeframe).open(first + step)) for step in (0, 1)
            }


def _correct_candles(exchange: SimulatedExchange) -> None:
    """Every third pair's last closed candles have been other ones than they were said to be."""
    for pair in exchange.pairs[::3]:
        for timeframe in ("1m", "5m"):
            now = slots_of(timeframe).number(exchange.now_ms())
            for step in (1, 2):
                key = pair.base + pair.quote, timeframe, slots_of(timeframe).open(now - step)
                exchange.corrections[key] = _FACTOR


def _go_down(exchange: SimulatedExchange) -> None:
    exchange.is_down = True
    exchange.sockets.cut()


TROUBLES = (
    Trouble("sockets cut every 5 s", keep=lambda exchange: exchange.sockets.cut()),
    Trouble("sockets say nothing; REST answers 500, 502, 503", _sockets(is_silent=True),
            _answers(Fault(500), Fault(502), Fault(503))),
    Trouble("no candle is said to be final; 429 with Retry-After", _sockets(only_forming=True),
            _answers(Fault(429, 5))),
    Trouble("final candles come twice", _sockets(repeats=True)),
    Trouble("sockets refused; connections cut", _sockets(refuses=True), _answers(Fault(None))),
    Trouble("candles are missing for good", _lose_candles),
    Trouble("sockets say nothing; address banned (418)", _sockets(is_silent=True), _answers(Fault(418, 30))),
    Trouble("candles are corrected after their close", _correct_candles),
    Trouble("final candles come 5 s late", _sockets(late_ms=_LATE_MS)),
    Trouble("maintenance: 503 for everything", _go_down),
    Trouble("final candles come 50 s late; REST answers 500", _sockets(late_ms=_VERY_LATE_MS), _answers(Fault(500))),
)  # fmt: skip


def trouble_at(since_start_ms: int, length_ms: int) -> Trouble | None:
    """What is wrong that long after the start of a soak of some length; ``None`` in a calm."""
    if not 0 <= since_start_ms < length_ms - LAST_CALM_MS:
        return None
    round_number, into_ms = divmod(since_start_ms, LASTS_MS + CALM_MS)
    return TROUBLES[round_number % len(TROUBLES)] if into_ms >= CALM_MS else None


@dataclass
class Rotation:
    """Carries the troubles out on an exchange."""

    exchange: SimulatedExchange
    start_ms: int
    length_ms: int
    _now: Trouble | None = None
    _kept_ms: int = field(default=0)

    def step(self) -> None:
        """Bring the exchange into the state that it should be in; call it every second or so."""
        now_ms = self.exchange.now_ms()
        wanted = trouble_at(now_ms - self.start_ms, self.length_ms)
        if wanted is not self._now:
            self._end()
            self._now = wanted
            if wanted is not None:
                wanted.begin(self.exchange)
        if wanted is not None and now_ms - self._kept_ms >= _CUT_EVERY_MS:
            self._kept_ms = now_ms
            wanted.keep(self.exchange)

    def _end(self) -> None:
        """What is missing or corrected stays so; everything else works again."""
        self.exchange.faults.clear()
        self.exchange.is_down = False
        faults = self.exchange.socket_faults
        faults.refuses = faults.is_silent = faults.only_forming = faults.repeats = False
        faults.late_ms = 0
