"""``hub status``: what the hub is doing, in one screen."""

from typing import TYPE_CHECKING, Any

from cyclopts import App

from hub.cli.opening import DataFolder, hub_settings
from hub.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from flows.hub_state import HubState


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(status)


def status(*, data: DataFolder = None, json_output: AsJson = False) -> None:
    """Show what runs, how far every timeframe has been judged and what holds it back, events, runs, today's savings."""
    from analysis.savings import summarise
    from common.clock import SystemClock
    from flows.hub_state import look_at_hub
    from hub.cli.status_screen import status_lines
    from hub.hub_processes import processes_of
    from registry.store import open_configured

    settings = hub_settings(data_dir=data)
    with open_configured(settings, read_only=True) as store:
        state = look_at_hub(settings, store, SystemClock().now_ms())
        stored = {"series": len(store.candles.names()), "ticks": summarise(store).ticks}
        stored["triggers"] = store.triggers.last_seq()
    processes = processes_of(settings.data_dir)
    if json_output:
        shown = [{"name": each.name, "pid": each.pid, "url": each.url, "role": each.role} for each in processes]
        print_json(_as_json(state) | stored | {"processes": shown})
    else:
        print("\n".join(status_lines(settings.data_dir, state, processes, stored)))


def _as_json(state: "HubState") -> dict[str, Any]:
    from common.timeframes import iso_time

    def time_of(time_ms: int | None) -> str | None:
        return None if time_ms is None else iso_time(time_ms)

    health, events, prefect, today = state.health, state.events, state.prefect, state.today
    audit = state.audit
    return {
        "at": iso_time(state.now_ms),
        "service": None if health is None else health.url,
        "health": None if health is None else health.status,
        "faults": [] if health is None else list(health.faults),
        **state.totals,
        "last_tick": time_of(max((each.last_tick_ms or 0 for each in state.timeframes), default=0) or None),
        "timeframes": [
            {
                "timeframe": each.timeframe,
                "conditions": each.conditions,
                "groups": each.groups,
                "last_tick": time_of(each.last_tick_ms),
                "lag_s": each.lag_ms / 1000,
                "next_tick": iso_time(each.next_tick_ms),
                "behind": each.behind,
                "without_candles": each.without_candles,
                "stale": each.stale,
                "waiting": [
                    {
                        "group": one.group,
                        "series": one.series,
                        "open_time": iso_time(one.open_ms),
                        "since": iso_time(one.since_ms),
                        "stale": one.is_stale,
                        "outcome": one.outcome,
                    }
                    for one in each.waiting
                ],
            }
            for each in state.timeframes
        ],
        "candles": [
            {
                "exchange": each.exchange,
                "series": each.series,
                "current": each.current,
                "without_candles": each.absent,
                "newest_close_time": time_of(each.newest_close_ms),
            }
            for each in state.candles
        ],
        "events": {"problem": state.events_problem}
        if events is None
        else {
            "stored": events.stored,
            "published": events.published,
            "unpublished": events.unpublished,
            "consumers": events.lags,
            "dead_letters": events.dead_letters,
        },
        "prefect": {"problem": state.prefect_problem}
        if prefect is None
        else {
            "url": prefect.url,
            "paused": prefect.is_paused,
            "late_runs": prefect.late,
            "failed_runs_24h": prefect.failed,
            "workers": [
                {"name": each.name, "online": each.is_online, "heartbeat": time_of(each.heartbeat_ms)}
                for each in prefect.workers
            ],
            "newest_failed": [
                {"run": each.name, "state": each.state, "ended": iso_time(each.ended_ms), "reason": each.reason}
                for each in prefect.newest_failed
            ],
        },
        "failing": [
            {
                "deployment": each.deployment,
                "run_id": each.run_id,
                "state": each.state,
                "failed": iso_time(each.failed_ms),
                "reason": each.message,
            }
            for each in state.failing
        ],
        "audit": None
        if audit is None
        else {
            "audited": iso_time(audit.audited_ms),
            "since": iso_time(audit.since_ms),
            "until": iso_time(audit.until_ms),
            "triggers": audit.triggers,
            "differences": audit.differences,
        },
        "today": {
            "ticks": today.ticks,
            "evaluations": today.evaluations,
            "isolated_evaluations": today.isolated_evaluations,
            "indicators": today.indicators,
            "isolated_indicators": today.isolated_indicators,
            "loads": today.loads,
            "isolated_loads": today.isolated_loads,
        },
    }
