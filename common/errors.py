"""Every error the hub raises on purpose.

    HubError
    ├── ConditionError          a condition cannot be read: what is wrong, where, and what is allowed
    ├── InstrumentError         a symbol or exchange is unknown or malformed
    ├── TimeframeError          a timeframe is not in the closed list
    ├── TimeFormatError         a time cannot be read
    ├── ZoneError               a time zone is unknown
    ├── GridError               a grid is impossible, or its text cannot be read
    ├── CandleFileError         a candle file cannot be read at all (single bad rows are quarantined)
    ├── CandleFrameError        a frame of candles cannot be judged
    ├── ExchangeError           an exchange is unknown, does not answer, or refuses to
    │   └── NoSuchMarket        it does not list an instrument
    ├── CandlesMissing          a requested series has no candles
    ├── BacktestError           a backtest or a sweep asks for something impossible
    ├── TooMuchWork             one answer would have to judge more than is allowed
    ├── SubscriptionError       a subscription asks for something impossible
    ├── UserNameError           a name or label is not one that a user's key may have
    ├── BotConfigError          a bot's configuration cannot be used: which parameter, and why
    │   └── AmbiguousImport     another platform's configuration can be read in two ways
    ├── BrokerError             a broker cannot do what was asked
    │   ├── BrokerUnsure        its exchange did not answer: nobody knows whether a request was carried out
    │   ├── BrokerBusy          its exchange takes no requests for some time; this one was not carried out
    │   └── BrokerRefused       its exchange refuses a request, and says why
    ├── AuditFailed             the recorded triggers differ from what the candles imply
    ├── WhatIfError             a supposed change cannot be replayed
    ├── RuleTestError           a file of rule tests cannot be used: file, line, and how to mend it
    ├── RuleTestsFailed         conditions do not fire as their tests expect
    ├── DesiredStateError       a file of conditions as code cannot be used: where, and why
    ├── ToolInputError          an agent's call of a tool cannot be answered: what to write instead
    ├── SettingsError           the environment or `.env` holds an unusable value
    ├── StoreError              the store cannot do what was asked
    │   ├── StoreLocked         another process owns the files
    │   ├── StoreMissing        there is no store in that place
    │   ├── StoreDamaged        its files are not as the hub left them
    │   ├── StoreNotWritable    no permission to write, or no space left
    │   │   └── StoreBroken     a write failed, or a copy took its place, so that only a restart helps
    │   ├── StoreUnreachable    the process that owns the store does not answer
    │   ├── StoreDenied         that process rejects the token
    │   ├── ConditionRetired    an operator has taken the condition out
    │   ├── SchemaMismatch      the files were written by a newer or an edited schema
    │   ├── ZoneRulesChanged    the installed time zone rules change the past of conditions
    │   ├── StaleTick           somebody else recorded a tick in the meantime
    │   ├── DemandRefused       too many series are read through the hub
    │   ├── BotExists           the user has a bot of that name
    │   ├── QuotaExceeded       the user has as much as a user may have
    │   └── StaleBots           somebody else has run these bots in the meantime
    ├── ServiceError            the HTTP service cannot be started, reached or stopped
    ├── ApiError                the hub's HTTP API could not be used (raised by its clients)
    │   ├── ApiUnreachable      it does not answer, or what answers is not the hub
    │   ├── BodyNotJson         the body of a request holds what JSON cannot
    │   ├── ApiRefused          it refused a request: status, field, request id
    │   │   ├── KeyRefused      the key is wrong or revoked, or its role may not do that
    │   │   ├── NotFound        it does not exist, or belongs to somebody else
    │   │   └── LimitReached    too many requests, or a quota is exhausted
    │   └── ConditionsRefused   some conditions of a bulk registration were refused
    ├── WebhookError            nothing can be sent to a webhook's address
    ├── TemplateError           a webhook's template cannot be used: which part, and what to write
    ├── LedgerError             a consumer's ledger belongs to another consumer or another hub
    ├── PrefectServerError      Prefect's server cannot be started or reached
    ├── FailpointReached        a step that HUB_FAILPOINT makes fail, in reliability tests
    └── EventLogError           Redis or Valkey cannot do what was asked
        ├── EventServerError    the bundled server cannot be started or reached
        └── EventLogAhead       the event log belongs to another store, or has diverged from this one

A message says what was wrong, with the value, and how to fix it:

    try:
        Condition.parse("BTCUSDT 7m: rsi(14) < 30")
    except HubError as error:
        print(error)   # timeframe '7m' is not supported; use one of 1m 3m 5m ...
"""

from pathlib import Path
from traceback import extract_tb

from condition_hub.errors import (
    ApiError,
    ApiRefused,
    ApiUnreachable,
    BodyNotJson,
    ConditionsRefused,
    HubError,
    KeyRefused,
    LimitReached,
    NotFound,
    SettingsError,
    TimeFormatError,
)

__all__ = [
    "ApiError",
    "ApiRefused",
    "ApiUnreachable",
    "BodyNotJson",
    "ConditionsRefused",
    "HubError",
    "KeyRefused",
    "LimitReached",
    "NotFound",
    "SettingsError",
    "TimeFormatError",
]  # What clients raise as well is defined in condition_hub, and part of this tree.


class ConditionError(HubError):
    """A condition cannot be read.

    ``position`` is the offset in a text, ``pointer`` the JSON pointer in a mapping; each is ``None`` where it does
    not apply.
    """

    def __init__(self, message: str, *, position: int | None = None, pointer: str | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.pointer = pointer


class InstrumentError(HubError):
    """A symbol or an exchange is unknown or malformed."""


class TimeframeError(HubError):
    """A timeframe is not in the closed list."""


class ZoneError(HubError):
    """A time zone is unknown."""


class GridError(HubError):
    """A grid is impossible, or its text cannot be read."""


class UserNameError(HubError):
    """A name or a label is not one that a user's key may have."""


class SubscriptionError(HubError):
    """A subscription asks for something impossible."""


class BotConfigError(HubError):
    """A bot's configuration cannot be used."""


class AmbiguousImport(BotConfigError):
    """Another platform's configuration can be read in two ways; the message has both."""


class BrokerError(HubError):
    """A broker cannot do what was asked."""


class BrokerUnsure(BrokerError):
    """An exchange did not answer: nobody knows whether the request was carried out."""


class BrokerBusy(BrokerError):
    """An exchange takes no requests for some time; this one was not carried out."""


class BrokerRefused(BrokerError):
    """An exchange refuses a request; the message has its reason."""


class AuditFailed(HubError):
    """The recorded triggers differ from what the candles imply."""


class WhatIfError(HubError):
    """A supposed change of a parameter or a definition cannot be replayed."""


class RuleTestError(HubError):
    """A file of rule tests cannot be used; the message names the file and the line."""


class RuleTestsFailed(HubError):
    """Conditions do not fire as their tests expect."""


class CandleFileError(HubError):
    """A candle file cannot be read at all."""


class CandleFrameError(HubError):
    """A frame of candles cannot be judged: what is wrong with it, and where."""


class ExchangeError(HubError):
    """An exchange is unknown, does not answer, or refuses to."""


class NoSuchMarket(ExchangeError):
    """An exchange does not list an instrument."""


class CandlesMissing(HubError):
    """A requested series has no candles."""


class BacktestError(HubError):
    """A backtest or a sweep asks for something impossible."""


class TooMuchWork(HubError):
    """One answer would have to judge more than is allowed."""


class StoreError(HubError):
    """The store cannot do what was asked."""


class StoreLocked(StoreError):
    """Another process owns the files."""


class StoreMissing(StoreError):
    """There is no store in that place."""


class StoreDamaged(StoreError):
    """The files of the store are damaged."""


class StoreNotWritable(StoreError):
    """No permission to write, or no space left."""


class StoreBroken(StoreNotWritable):
    """The process that has the store open can do nothing but restart: a write to its files failed half-way, or another
    copy has taken the place of its database."""


class StoreUnreachable(StoreError):
    """The process that owns the store does not answer."""


class StoreDenied(StoreError):
    """The process that owns the store rejects the token."""


class ConditionRetired(StoreError):
    """An operator has taken the condition out: it can be neither registered nor subscribed to."""


class QuotaExceeded(StoreError):
    """A user has as much as a user may have; nothing of the call was written.

    ``wait_s`` is after how many seconds there may be room again; ``None`` if the user has to give something up.
    """

    def __init__(self, message: str, user_id: str, *, wait_s: int | None = None) -> None:
        super().__init__(message)
        self.user_id = user_id
        self.wait_s = wait_s


class SchemaMismatch(StoreError):
    """The files were written by a newer or an edited schema."""


class ZoneRulesChanged(StoreError):
    """The time zone rules that are installed change the past of a zone that conditions use."""


class StaleTick(StoreError):
    """A stored watermark is not where the tick started: somebody else recorded a tick in the meantime."""


class FailpointReached(HubError):
    """A step that ``HUB_FAILPOINT`` makes fail."""


class DemandRefused(StoreError):
    """More series are asked for than an exchange can be followed for."""


class BotExists(StoreError):
    """The user has another bot of that name that has not ended."""


class StaleBots(StoreError):
    """Somebody else has run these bots in the meantime."""


class ServiceError(HubError):
    """The HTTP service cannot be started, reached or stopped."""


class WebhookError(HubError):
    """Nothing can be sent to a webhook's address. The message never contains the address."""


class DesiredStateError(HubError):
    """A file of conditions as code cannot be used: where, and why. The message never contains a secret."""


class ToolInputError(HubError):
    """An agent's call of a tool cannot be answered: what to write instead."""


class TemplateError(HubError):
    """A webhook's template cannot be used: which part of it, and what to write instead.

    The message never contains a secret.
    """


class PrefectServerError(HubError):
    """Prefect's server cannot be started or reached."""


class EventLogError(HubError):
    """Redis or Valkey cannot do what was asked."""


class EventServerError(EventLogError):
    """The bundled server cannot be started or reached."""


class EventLogAhead(EventLogError):
    """The event log belongs to another store, or has diverged from this one."""


class LedgerError(HubError):
    """A consumer's ledger belongs to another consumer, or to another hub."""


def reason_of(error: BaseException) -> str:
    """What may be said of any exception in logs and dead letters: its type and where it was raised.

    The text of an error may contain a bot's configuration or a key; only the hub's own errors and those of the system
    and of SQLite are known not to.
    """
    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = ""
    if isinstance(error, OSError):
        text = error.strerror or ""
    elif isinstance(error, HubError) or type(error).__module__ == "sqlite3":
        text = str(error)[:300]
    return f"{type(error).__name__}{where}{': ' if text else ''}{text}"
