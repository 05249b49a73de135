"""What one process of a hub does that runs in several, perhaps on several machines."""

from collections.abc import Callable

from common.errors import ServiceError
from common.settings import Settings

_SHARED = ("postgresql:", "postgres:")


def start(settings: Settings, announce: Callable[[str], object]) -> None:
    """Do what the role of the settings says until SIGTERM or Ctrl-C; see :attr:`common.settings.Settings.role`.

    Raises :class:`ServiceError` if a hub in several processes is not possible with these settings, and whatever the
    process raises.
    """
    if settings.role != "all":
        _check_shared(settings)
    match settings.role:
        case "worker":
            from hub.work import work

            work(settings, announce, ingest="ingest" not in settings.without)
        case "ingest":
            from hub.keep_candles import keep_candles

            keep_candles(settings, announce)
        case _:
            from hub.serve import serve

            serve(settings, announce)


def _check_shared(settings: Settings) -> None:
    role = settings.role
    if not settings.resolved_store_url.startswith(_SHARED):
        raise ServiceError(
            f"the role {role} is one of several processes, and the store of this hub is one process's alone: set "
            "HUB_STORE_URL=postgresql://USER@HOST/DATABASE at all of them (hub store copy moves a hub there), or start "
            "everything in one process: hub up"
        )
    if settings.redis_url is None:
        raise ServiceError(
            f"the role {role} is one of several processes, which share an event log: set REDIS_URL to the same server "
            "at all of them"
        )
