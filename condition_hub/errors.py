"""Every error that a client of the hub raises on purpose.

    HubError
    ├── SettingsError           the environment or `.env` holds an unusable value, or lacks one
    ├── TimeFormatError         a time cannot be read
    └── ApiError                the hub's HTTP API could not be used
        ├── ApiUnreachable      it does not answer, or what answers is not the hub
        ├── BodyNotJson         the body of a request holds what JSON cannot
        ├── ApiRefused          it refused a request: status, field, request id
        │   ├── KeyRefused      the key is wrong or revoked, or its role may not do that
        │   ├── NotFound        it does not exist, or belongs to somebody else
        │   └── LimitReached    too many requests, or a quota is exhausted
        └── ConditionsRefused   some conditions of a bulk registration were refused

A message says what was wrong, with the value, and how to mend it.
"""

from collections.abc import Mapping, Sequence


class HubError(Exception):
    """Root of all errors that the hub and its clients raise on purpose."""


class SettingsError(HubError):
    """The environment or ``.env`` holds an unusable value, or lacks one."""


class TimeFormatError(HubError):
    """A time cannot be read."""


class ApiError(HubError):
    """The hub's HTTP API could not be used."""


class ApiUnreachable(ApiError):
    """The hub does not answer, or what answers is not the hub."""


class BodyNotJson(ApiError):
    """The body of a request holds what JSON cannot; the message names its place."""


class ApiRefused(ApiError):
    """The hub refused a request.

    ``field`` is the part that was wrong, as a JSON pointer (``/period``) or the name of a parameter; ``request_id``
    identifies the request in the hub's log; ``retry_after_s`` is how long to wait before trying again, if the hub said
    so.
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
    """There is no such condition or subscription, or it belongs to somebody else."""


class LimitReached(ApiRefused):
    """Too many requests, or a user's quota is exhausted."""


class ConditionsRefused(ApiError):
    """Some conditions of a bulk registration were refused; all others are registered.

    ``refused`` maps positions in the submitted list to what was wrong there; ``registered`` has the registrations in
    the order of that list, ``None`` for the refused ones.
    """

    def __init__(self, message: str, *, refused: Mapping[int, str], registered: Sequence[str | None]) -> None:
        super().__init__(message)
        self.refused = refused
        self.registered = registered
