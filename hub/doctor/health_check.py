"""The result of one check."""

from collections.abc import Callable
from dataclasses import dataclass

from common.errors import HubError


@dataclass(frozen=True)
class HealthCheck:
    """``ok`` is ``None`` if the detail is worth knowing but no fault."""

    name: str
    ok: bool | None
    detail: str


def guarded(name: str, look: Callable[[], str]) -> HealthCheck:
    """The check of something that raises a :class:`HubError` if it is wrong."""
    try:
        return HealthCheck(name, True, look())
    except HubError as error:
        return HealthCheck(name, False, str(error))
