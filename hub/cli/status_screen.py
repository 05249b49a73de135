"""What ``hub status`` prints for people: at most 80 columns, whatever the names are."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analysis.progress import TimeframeProgress, Waiting
from analysis.savings import saved_share
from common.counted import counted
from common.timeframes import from_ms
from flows.hub_state import HubState
from hub.cli.output import table_lines
from hub.hub_processes import HubProcess
from registry.store.parts.runs import AuditRecord

_WIDTH = 80
_MARGIN = 10
_WAITING_SHOWN = 5
_NAMED = 3
_LONGEST_REASON = 150


def status_lines(
    data_dir: Path, state: HubState, processes: Sequence[HubProcess], stored: Mapping[str, int]
) -> Iterator[str]:
    """The screen, line by line; ``stored`` counts the store's ``series``, ``ticks`` and ``triggers``."""
    yield from _entry("hub", [f"{data_dir}, {from_ms(state.now_ms):%Y-%m-%d %H:%M:%S} UTC", _health(state)])
    yield from _entry("runs", [_processes(processes), *_runs(state)])
    totals = state.totals
    yield from _entry(
        "wanted",
        [
            f"{counted(totals['conditions'], 'condition')}; {counted(totals['subscriptions'], 'subscription')} of "
            f"{counted(totals['bots'], 'bot')} of {counted(totals['users'], 'user')}",
            *(
                f"{counted(count, 'condition')} {what}"
                for count, what in (
                    (state.in_error, "in error: hub conditions list says why"),
                    (state.retired, "retired"),
                    (state.superseded, "superseded"),
                )
                if count
            ),
        ],
    )
    yield ""
    if state.timeframes:
        yield from table_lines([_HEADER, *(_row(each, state.now_ms) for each in state.timeframes)], right=range(1, 8))
    else:
        yield "nothing is to be judged; register a condition: hub conditions register TEXT"
    yield from _waiting(state)
    yield ""
    yield from _entry("candles", _candles(state) or ["none are read"])
    yield from _entry("events", _events(state, stored["triggers"]))
    yield from _entry("today", _today(state))
    if state.audit is not None:
        yield from _entry("audit", [_audit(state.audit, state.now_ms)])


def _entry(name: str, paragraphs: Sequence[str]) -> Iterator[str]:
    """Paragraphs beside a name."""
    label = name
    for paragraph in paragraphs:
        for line in textwrap.wrap(paragraph, _WIDTH - _MARGIN, break_on_hyphens=False):
            yield f"{label:<{_MARGIN}}{line}"
            label = ""


def _health(state: HubState) -> str:
    if state.health is None:
        return "not running; start it: hub up"
    said = f"{state.health.url} is {state.health.status}"
    return f"{said}: {'; '.join(state.health.faults)}" if state.health.faults else said


def _processes(processes: Sequence[HubProcess]) -> str:
    if not processes:
        return "no process"
    return ", ".join(
        f"{each.name} {each.pid}"
        f"{f' {each.url}' if each.url and each.name != 'hub' else ''}"
        f"{f' ({each.role})' if each.role not in (None, 'all') else ''}"
        for each in processes
    )


def _runs(state: HubState) -> Iterator[str]:
    for failure in state.failing:
        reason = textwrap.shorten(failure.message, _LONGEST_REASON, placeholder=" …")
        yield f"{failure.deployment} has failed, last at {_clock(failure.failed_ms, state.now_ms)}: {reason}"
    view = state.prefect
    if view is None:
        if state.prefect_problem is not None:
            yield state.prefect_problem
        return
    if view.is_paused:
        yield "the work pool of the ticks is paused: resume it in Prefect"
    if not view.is_worked_on:
        yield "no worker is online: hub up or hub worker starts one"
    if view.late:
        yield counted(view.late, "run is late", "runs are late")
    if view.failed:
        newest = view.newest_failed[0]
        reason = textwrap.shorten(newest.reason, _LONGEST_REASON, placeholder=" …")
        yield (
            f"{counted(view.failed, 'run')} failed in the last 24 h; the newest, {newest.name}, at "
            f"{from_ms(newest.ended_ms):%H:%M:%S}: {reason}"
        )


_HEADER = ("timeframe", "last tick", "lag", "next tick", "groups", "behind", "waiting", "stale")


def _row(each: TimeframeProgress, now_ms: int) -> tuple[str, ...]:
    return (
        each.timeframe,
        "-" if each.last_tick_ms is None else _clock(each.last_tick_ms, now_ms),
        _span(each.lag_ms),
        _clock(each.next_tick_ms, now_ms),
        f"{each.groups:,}",
        f"{each.behind + each.without_candles:,}",
        f"{len(each.waiting):,}",
        f"{each.stale:,}",
    )


def _waiting(state: HubState) -> Iterator[str]:
    alike: dict[tuple[int, int, str], list[Waiting]] = {}
    for each in state.timeframes:
        for one in each.waiting:
            alike.setdefault((one.since_ms, one.open_ms, one.outcome), []).append(one)
    shown = [_explained(together, state.now_ms) for _, together in sorted(alike.items())]
    if len(shown) > _WAITING_SHOWN:
        shown[_WAITING_SHOWN:] = [f"and {len(shown) - _WAITING_SHOWN:,} more: hub status --json has all"]
    if absent := sum(each.without_candles for each in state.timeframes):
        groups = counted(absent, "group reads", "groups read")
        shown.append(f"{groups} a series without candles: hub candles fetch, or import")
    if shown:
        yield ""
        yield from _entry("waiting", shown)


def _explained(together: Sequence[Waiting], now_ms: int) -> str:
    """Groups that lack candles of the same slot and come to the same end."""
    one, lacking = together[0], sorted({each.series for each in together})
    names = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else "")
    whose = ""
    if len(together) == 1 and one.group.series != (one.series,):
        whose = f", for {one.group}"
    elif len(together) > 1:
        whose = f", for {len(together):,} groups"
    return (
        f"{names}: no candle of {_clock(one.open_ms, now_ms)}{whose}, since {_clock(one.since_ms, now_ms)} "
        f"({_span(now_ms - one.since_ms)}); {one.outcome}"
    )


def _candles(state: HubState) -> list[str]:
    return [
        f"{each.exchange}: {counted(each.series, 'series is', 'series are')} read, {each.current:,} current"
        + (f", {each.absent:,} without candles" if each.absent else "")
        + ("" if each.newest_close_ms is None else f"; newest close {_clock(each.newest_close_ms, state.now_ms)}")
        for each in state.candles
    ]


def _events(state: HubState, triggers: int) -> list[str]:
    events = state.events
    if events is None:
        return [counted(triggers, "trigger"), str(state.events_problem)]
    lags = ", ".join(f"{name} {lag:,} behind" for name, lag in events.lags.items())
    dead = sum(events.dead_letters.values())
    return [
        f"{counted(triggers, 'trigger')}, {events.unpublished:,} to publish{f'; {lags}' if lags else ''}; "
        + counted(dead, "dead letter")
        + (": hub events dead list" if dead else "")
    ]


def _today(state: HubState) -> list[str]:
    today = state.today
    if not today.ticks:
        return ["nothing has been judged since midnight"]
    rows = {
        "evaluations": (today.isolated_evaluations, today.evaluations),
        "indicators": (today.isolated_indicators, today.indicators),
        "candle loads": (today.isolated_loads, today.loads),
    }
    shown = (
        f"{name} {done:,} instead of {isolated:,} ({saved_share(isolated, done):.1%} saved)"
        for name, (isolated, done) in rows.items()
    )
    return [counted(today.ticks, "tick"), *shown]


def _audit(audit: AuditRecord, now_ms: int) -> str:
    differ = counted(audit.differences, "differs", "differ")
    differences = f"{differ}: hub verify lists them" if audit.differences else "none differs"
    return (
        f"{counted(audit.triggers, 'trigger')} up to {_clock(audit.until_ms, now_ms)} "
        f"{'was' if audit.triggers == 1 else 'were'} judged again at "
        f"{_clock(audit.audited_ms, now_ms)}: {differences}"
    )


def _clock(time_ms: int, now_ms: int) -> str:
    """A time of today as a clock shows it, another one with its date."""
    moment = from_ms(time_ms)
    return f"{moment:%H:%M}" if moment.date() == from_ms(now_ms).date() else f"{moment:%m-%d %H:%M}"


def _span(time_ms: int) -> str:
    seconds = time_ms / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
