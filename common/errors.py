"""Every error the hub raises on purpose.

    HubError
    ├── ConditionError          a condition cannot be read: what, where, and what is allowed
    ├── InstrumentError         a symbol or exchange is unknown or malformed
    ├── TimeframeError          a timeframe is not in the closed list
    ├── TimeFormatError         a time cannot be read
    ├── CandleFileError         a candle file cannot be read at all (single bad rows go to the quarantine)
    ├── CandlesMissing          a series that is asked for has no candles
    ├── SubscriptionError       a subscription asks for what cannot be
    ├── AuditFailed             recorded triggers are not what the candles say
    ├── SettingsError           the environment or `.env` holds a value that cannot be used
    ├── StoreError              the store cannot do what was asked
    │   ├── StoreLocked         another process owns the files
    │   ├── StoreMissing        no store at that place
    │   ├── StoreNotWritable    no permission, or no space
    │   ├── StoreUnreachable    the process that owns the store does not answer
    │   ├── StoreDenied         that process does not take the token
    │   ├── SchemaMismatch      the files were written by a newer or an edited schema
    │   └── StaleTick           a tick was recorded by somebody else in the meantime
    ├── ServiceError            the HTTP service cannot be started, reached or stopped
    ├── ApiError                the hub's HTTP API could not be used (raised by its clients)
    │   ├── ApiUnreachable      it does not answer, or what answers is not the hub
    │   ├── ApiRefused          it refused a request: status, field, request id
    │   │   ├── KeyRefused      the key is wrong, revoked, or may not do that
    │   │   ├── NotFound        there is no such thing, or it is somebody else's
    │   │   └── LimitReached    too many requests, or more than a user's quota
    │   └── ConditionsRefused   some conditions of a bulk registration were refused
    ├── WebhookError            a webhook's address cannot be sent to
    ├── LedgerError             a consumer's ledger is that of another consumer or another hub
    ├── PrefectServerError      Prefect's server cannot be started or reached
    ├── FailpointReached        a step that HUB_FAILPOINT makes fail, in tests of reliability
    └── EventLogError           Redis or Valkey cannot do what was asked
        ├── EventServerError    the bundled server cannot be started or reached
        └── EventLogAhead       the event log is that of another store

A message says what was wrong, with the value, and how to mend it:

    try:
        Condition.parse("BTCUSDT 7m: rsi(14) < 30")
    except HubError as error:
        print(error)   # timeframe '7m' is not supported; use one of 1m 3m 5m ...
"""

from collections.abc import Mapping, Sequence


class HubError(Exception):
    """Root of all errors that the hub raises on purpose."""


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


class TimeFormatError(HubError):
    """A time cannot be read."""


class SubscriptionError(HubError):
    """A subscription asks for what cannot be."""


class AuditFailed(HubError):
    """Recorded triggers are not what the candles say."""


class CandleFileError(HubError):
    """A candle file cannot be read at all."""


class CandlesMissing(HubError):
    """A series that is asked for has no candles."""


class SettingsError(HubError):
    """The environment or ``.env`` holds a value that cannot be used."""


class StoreError(HubError):
    """The store cannot do what was asked."""


class StoreLocked(StoreError):
    """Another process owns the files."""


class StoreMissing(StoreError):
    """There is no store at that place."""


class StoreNotWritable(StoreError):
    """No permission to write, or no space left."""


class StoreUnreachable(StoreError):
    """The process that owns the store does not answer."""


class StoreDenied(StoreError):
    """The process that owns the store does not take the token."""


class SchemaMismatch(StoreError):
    """The files were written by a newer or an edited schema."""


class StaleTick(StoreError):
    """A stored watermark is not where the tick started: somebody else recorded it in the meantime."""


class ApiError(HubError):
    """The hub's HTTP API could not be used."""


class ApiUnreachable(ApiError):
    """The hub does not answer, or what answers is not the hub."""


class ApiRefused(ApiError):
    """The hub refused a request.

    ``field`` is what was wrong in it, as a JSON pointer (``/period``) or the name of a parameter; ``request_id`` is how
    the hub's log calls the request; ``retry_after_s`` when to come again, where the hub said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        field: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class KeyRefused(ApiRefused):
    """The key is wrong or revoked, or its role may not do what was asked."""


class NotFound(ApiRefused):
    """There is no such condition or subscription, or it is somebody else's."""


class LimitReached(ApiRefused):
    """Too many requests, or more than a user's quota."""


class ConditionsRefused(ApiError):
    """Some conditions of a bulk registration were refused; all others are registered.

    ``refused`` has what was wrong by the place in the list that was given; ``registered`` the registrations in its
    order, ``None`` for the refused ones.
    """

    def __init__(self, message: str, *, refused: Mapping[int, str], registered: Sequence[str | None]) -> None:
        super().__init__(message)
        self.refused = refused
        self.registered = registered


class FailpointReached(HubError):
    """A step that ``HUB_FAILPOINT`` makes fail."""


class ServiceError(HubError):
    """The HTTP service cannot be started, reached or stopped."""


class WebhookError(HubError):
    """A webhook's address cannot be sent to. The message never holds the address."""


class PrefectServerError(HubError):
    """Prefect's server cannot be started or reached."""


class EventLogError(HubError):
    """Redis or Valkey cannot do what was asked."""


class EventServerError(EventLogError):
    """The bundled server cannot be started or reached."""


class EventLogAhead(EventLogError):
    """The event log is that of another store, or went on apart from this one."""


class LedgerError(HubError):
    """A consumer's ledger is that of another consumer, or of another hub."""
