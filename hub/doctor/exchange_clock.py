"""This machine's clock against those of the exchanges: it decides which candle has closed."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from analysis.progress import ToBeJudged, exchange_candles
from common.clock import SystemClock
from common.settings import Settings
from hub.doctor.health_check import HealthCheck
from registry.store.protocol import Store

_MOST_MS = 1_000
_PATIENCE_MS = 5_000


def clock_checks(store: Store, settings: Settings, now_ms: int) -> Iterator[HealthCheck]:
    """One check for each exchange whose candles conditions read, one in all if there is none."""
    exchanges = [each.exchange for each in exchange_candles(ToBeJudged.of(store), now_ms)]
    if not exchanges:
        yield HealthCheck("clock", None, "compared with no exchange: no condition reads candles of one")
    urls = {name.upper(): url for name, url in settings.exchange_urls.items()}
    for name in exchanges:
        yield _clock(name, urls.get(name), is_needed=not {"worker", "ingest"} & set(settings.without))


def _clock(name: str, url: str | None, *, is_needed: bool) -> HealthCheck:
    # It takes seconds to import.
    import ccxt

    if name.lower() not in ccxt.exchanges:
        return HealthCheck("clock", None, f"{name} is not known to ccxt, so its clock is not either")
    api: Any = getattr(ccxt, name.lower())({"timeout": _PATIENCE_MS})
    if not api.has.get("fetchTime"):
        return HealthCheck("clock", None, f"{name} does not tell its time")
    if url is not None:
        api.urls["api"] = _moved(api.urls["api"], url.rstrip("/"))
    clock = SystemClock()
    try:
        before = clock.now_ms()
        theirs = int(api.fetch_time())
        after = clock.now_ms()
    except ccxt.BaseError as error:
        return HealthCheck(
            "clock",
            False if is_needed else None,
            f"{name} does not answer ({type(error).__name__}), so no candles come from there: check the network, a "
            "proxy or HUB_EXCHANGE_URLS",
        )
    # The answer was given some time in between.
    ahead = max(before - theirs, 0) or min(after - theirs, 0)
    if abs(ahead) > _MOST_MS:
        return HealthCheck(
            "clock",
            False,
            f"{abs(ahead) / 1000:.1f} s {'ahead of' if ahead > 0 else 'behind'} {name}: synchronise it (timedatectl "
            "set-ntp true)",
        )
    return HealthCheck("clock", True, f"agrees with {name} to {max(abs(ahead), (after - before) // 2)} ms")


def _moved(addresses: Any, url: str) -> Any:
    """The same addresses, or trees of them, on another host."""
    if isinstance(addresses, dict):
        return {name: _moved(address, url) for name, address in addresses.items()}
    return url + urlsplit(addresses).path if isinstance(addresses, str) else addresses
