"""Checks of what the hub works on: store, keys, candles, gaps, and how far it has judged."""

from analysis.progress import ToBeJudged, exchange_candles, progress
from candles.wanted import wanted_series
from common.timeframes import show_time
from hub.doctor.health_check import HealthCheck
from registry.store.protocol import Store

_LATE_MS = 120_000


def contents(store: Store) -> HealthCheck:
    """What is stored."""
    shown = ", ".join(f"{count:,} {name}" for name, count in store.registry.totals().items())
    problem = store.commit_problem()
    if problem is not None:
        return HealthCheck("store", False, f"{problem}; its log and `hub store check` say more")
    return HealthCheck("store", True, shown)


def keys(store: Store) -> HealthCheck:
    """Whether anybody can use the API."""
    usable = sum(key.revoked_ms is None for key in store.accounts.keys(None))
    if not usable:
        return HealthCheck("keys", None, "none; create one: hub keys create USER")
    return HealthCheck("keys", True, f"{usable} in use")


def candles(store: Store, now_ms: int) -> HealthCheck:
    """Whether the candles that conditions read are current."""
    read = exchange_candles(ToBeJudged.of(store), now_ms)
    if not read:
        return HealthCheck("candles", None, f"{store.candles.series().height:,} series; no condition reads any")
    shown = "; ".join(
        f"{each.exchange}: {each.current:,} of {each.series:,} series current"
        + (f", {each.absent:,} without candles" if each.absent else "")
        for each in read
    )
    if all(each.current == each.series for each in read):
        return HealthCheck("candles", True, shown)
    return HealthCheck("candles", None, f"{shown}; get them: hub candles fetch, or hub candles import FILE")


def gaps(store: Store) -> HealthCheck:
    """Whether the series that conditions read have gaps that nobody expects."""
    read = set(wanted_series(store, 0))
    listed = store.candles.gaps()
    unexpected = listed.filter((listed["calendar"] == "24x7") & listed["series"].is_in(list(read)))
    if unexpected.is_empty():
        return HealthCheck("candle gaps", True, "none in what conditions read")
    newest = unexpected.sort("first_open_time").row(-1, named=True)
    return HealthCheck(
        "candle gaps",
        None,
        f"{unexpected.height:,} in {unexpected['series'].n_unique():,} series, the newest in {newest['series']} from "
        f"{newest['first_open_time']:%Y-%m-%d %H:%M} ({newest['slots']} candles); fill them: hub candles fetch "
        "--since, or import; hub candles gaps lists them",
    )


def judging(store: Store, now_ms: int, *, is_needed: bool) -> HealthCheck:
    """Whether every timeframe has been judged up to now, which is a fault only where the hub judges by itself."""
    timeframes = progress(ToBeJudged.of(store), now_ms)
    if not timeframes:
        return HealthCheck("judging", None, 'nothing to judge; register: hub conditions register "BTCUSDT 1h: …"')
    late = [each for each in timeframes if each.lag_ms > _LATE_MS]
    if late:
        shown = ", ".join(
            f"{each.timeframe} since {'ever' if each.last_tick_ms is None else show_time(each.last_tick_ms)}"
            for each in late
        )
        return HealthCheck(
            "judging", False if is_needed else None, f"not judged: {shown}; hub status says what is waited for"
        )
    waiting, stale = sum(len(each.waiting) for each in timeframes), sum(each.stale for each in timeframes)
    if waiting:
        return HealthCheck(
            "judging", None, f"{waiting:,} groups wait for a candle, {stale:,} of them in vain; hub status names them"
        )
    return HealthCheck("judging", True, f"{len(timeframes)} timeframes are judged up to now")
