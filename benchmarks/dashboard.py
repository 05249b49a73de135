"""The dashboard on a big store: what drawing its pages costs, and what its viewers cost those who register."""

import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.big_store import BigStore, fill
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.served import Served, hub_up
from benchmarks.viewers import viewer
from common.supervised import SupervisedServer
from dashboard.data.reading import SECONDS_KEPT
from hub.dashboard_server import dashboard_port
from registry.client import AsyncHubClient
from registry.keys import new_key
from registry.store.files.file_store import FileStore

_CANDLES = 1_000
_MOST_MS, _FIRST_S = 300.0, 4.0
_START_S = 120.0
_ROUNDS = 3
"""A drawing waits until what was kept is too old."""
_A_SECOND = 50
"""Registrations while viewers look."""
_UNLIMITED = {
    "HUB_WITHOUT": "worker,bots",
    "HUB_DASHBOARD_PORT": "0",
    "HUB_API_RATE_WRITE": "9000000/minute",
    "HUB_QUOTA_CONDITIONS": "100000000",
}


_Page = tuple[str, str]
"""Its name in the address and the query behind it."""


@dataclass(frozen=True)
class _Hub:
    """The service, its dashboard, and a user's key."""

    service: Served
    dashboard: Served
    key: str
    pages: Mapping[str, _Page]

    @property
    def cpu_s(self) -> float:
        """CPU seconds of both processes: the pages' store is the service's."""
        return self.service.cpu_s + self.dashboard.cpu_s


def dashboard(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """One hub with its dashboard; this process has the viewers."""
    size = BigStore(
        scale.stored_triggers,
        scale.stored_ticks,
        scale.stored_conditions,
        scale.stored_subscriptions,
        users=scale.users,
        instruments=scale.instruments,
        candles=_CANDLES,
    )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        fill(folder / "store", size)
        # The first owner sums up; what is measured is any owner after it.
        with FileStore(folder / "store") as store:
            key, text = new_key("somebody", "user", "", 0)
            store.accounts.add_key(key)
        with hub_up(folder, _UNLIMITED) as served:
            hub = _Hub(served, _dashboard_in(folder), text, _pages(size))
            served.settle()
            paints = _painted(hub)
            rows = asyncio.run(_drawn(hub, min(_ROUNDS, scale.rounds)))
            loads = asyncio.run(_with_viewers(hub, scale))
    remark = (
        f"A store with {size.triggers:,} triggers, {size.ticks:,} ticks, {size.conditions:,} conditions and "
        f"{size.subscriptions:,} subscriptions of {size.users:,} users, behind `hub up`; {_CANDLES:,} candles of each "
        "series. Milliseconds of CPU of service and dashboard for the whole page, after what they keep has become too "
        "old, beyond what both use by themselves; "
        f"median of {min(_ROUNDS, scale.rounds)}. The first drawing computes what is kept for longer. The last "
        "column is the clock's time in Chromium from the address to the end of the page, in a new window."
    )
    pages = Table(
        remark,
        ("page", "drawn for the first time", "drawn again", "first paint, s"),
        [[name, figure(first), figure(again), figure(paints.get(name, float("nan")))] for name, first, again in rows],
    )
    remark = (
        f"{_A_SECOND} registrations of new conditions a second, client included, for {scale.viewed_s:g} s: alone, and "
        f"while {scale.viewers} tabs are open on all of the pages, each drawn again as often as it wants by itself."
    )
    viewed = Table(
        remark,
        ("viewers", "median, ms", "p95, ms", "p99, ms", "CPU of both, s", "drawings", "slowest drawing, s"),
        [load.row for load in loads],
    )
    targets = [
        at_most("drawing any page of a big store again, CPU time", _MOST_MS, max(again for _, _, again in rows), " ms"),
        at_most("first paint of a page of a big store", _FIRST_S, max(paints.values(), default=float("nan")), " s"),
    ]
    return Section("The dashboard on a big store", [pages, viewed], targets)


def _dashboard_in(folder: Path) -> Served:
    """The dashboard that the service keeps running, once it answers."""
    began = time.perf_counter()
    place = folder / "dashboard"
    while time.perf_counter() < began + _START_S:
        port = dashboard_port(place)
        pid = SupervisedServer("dashboard", place, [], answers=lambda: True, patience_s=0).pid
        if port is not None and pid is not None:
            return Served(pid, f"http://127.0.0.1:{port}", time.perf_counter() - began)
        time.sleep(0.1)
    raise RuntimeError("the dashboard did not start")


def _pages(size: BigStore) -> dict[str, _Page]:
    """Pages, by their names in words."""
    often = size.condition(0).id
    return {
        "Savings": ("", ""),
        "Conditions": ("conditions", ""),
        "a search": ("conditions", "search=rsi+c1usdt"),
        "a condition": ("conditions", f"id={often}"),
        "Health": ("health", ""),
        "Ticks": ("ticks", ""),
        "Explore": ("explore", ""),
        "My bots": ("my_bots", ""),
    }


async def _drawn(hub: _Hub, rounds: int) -> list[tuple[str, float, float]]:
    """Page, CPU of drawing it for the first time and, as a median, again; in milliseconds."""
    rows = []
    for name, (page, query) in hub.pages.items():
        async with viewer(hub.dashboard.url, page, query) as tab:
            first, *again = [await _cpu_ms(hub, tab.draw) for _ in range(rounds + 1)]
        rows.append((name, first, statistics.median(again)))
    return rows


async def _cpu_ms(hub: _Hub, draw: Callable[[], Awaitable[float]]) -> float:
    """What a drawing costs once nothing that was kept is young enough: with what is done after the answer, and without
    what service and dashboard do by themselves in as much time."""
    before, began = hub.cpu_s, time.perf_counter()
    await asyncio.sleep(SECONDS_KEPT + 1)
    at_rest, rested = hub.cpu_s, time.perf_counter()
    await draw()
    await asyncio.sleep(1)
    spent, took = hub.cpu_s - at_rest, time.perf_counter() - rested
    return max(0.0, spent - (at_rest - before) * took / (rested - began)) * 1e3


def _painted(hub: _Hub) -> dict[str, float]:
    """Page -> seconds until a browser has all of it; empty without Playwright or Chromium."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return {}
    paints = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (page, query) in hub.pages.items():
            context = browser.new_context()
            tab = context.new_page()
            tab.set_default_timeout(_START_S * 1e3)
            end = tab.get_by_text("Your key" if page == "my_bots" else "Drawn at").first
            began = time.perf_counter()
            tab.goto(f"{hub.dashboard.url}/{page}?{query}")
            end.wait_for()
            paints[name] = time.perf_counter() - began
            context.close()
        browser.close()
    return paints


@dataclass(frozen=True)
class _Load:
    """What registrations took, with some viewers."""

    viewers: int
    seconds: list[float]
    cpu_s: float
    drawings: list[float]

    @property
    def row(self) -> list[str]:
        ranked = sorted(self.seconds)
        shares = [ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1e3 for share in (0.5, 0.95, 0.99)]
        slowest = figure(max(self.drawings)) if self.drawings else "-"
        return [str(self.viewers), *map(figure, shares), figure(self.cpu_s), str(len(self.drawings)), slowest]


async def _with_viewers(hub: _Hub, scale: Scale) -> list[_Load]:
    return [await _load(hub, viewers, scale.viewed_s) for viewers in (0, scale.viewers)]


async def _load(hub: _Hub, viewers: int, seconds: float) -> _Load:
    """Register for so long while so many viewers look."""
    queries = list(hub.pages.values())
    drawings: list[float] = []

    async def look(number: int, until: float) -> None:
        page, query = queries[number % len(queries)]
        async with viewer(hub.dashboard.url, page, query) as tab:
            await tab.stay(until)
            drawings.extend(tab.seconds)

    before = hub.cpu_s
    until = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        registered = group.create_task(_registered(hub, seconds, viewers))
        for number in range(viewers):
            group.create_task(look(number, until))
    return _Load(viewers, registered.result(), hub.cpu_s - before, drawings)


async def _registered(hub: _Hub, seconds: float, seed: int) -> list[float]:
    """Seconds that each registration took, of those that are sent on time, however many are in flight."""
    dice = random.Random(seed)
    count = max(1, round(_A_SECOND * seconds))
    each: list[float] = []
    async with AsyncHubClient(hub.service.url, hub.key) as client:
        began = time.perf_counter()

        async def one(number: int) -> None:
            due = began + number / _A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            level = 100 + number / 1000 + dice.random()
            await client.register_condition(f"C{number % 2}USDT 1h: rsi({5 + seed}) < {level:.9f}")
            each.append(time.perf_counter() - due)

        await asyncio.gather(*(one(number) for number in range(count)))
    return each
