"""What every page has: its heading, and how its viewer looks at it: a time range, a zone, and how often it is drawn.

All of it is in the address, so a link shows what its sender saw, and a choice outlives the change to another page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from common.clock import SystemClock
from common.timeframes import DURATION_MS, from_ms
from common.zones import zone, zone_names

_UTC = "UTC"
_RANGES = {
    "1 h": DURATION_MS["1h"],
    "24 h": DURATION_MS["1d"],
    "7 d": 7 * DURATION_MS["1d"],
    "30 d": 30 * DURATION_MS["1d"],
    "all": None,
}
_REFRESHES = {"off": None, "5 s": 5.0, "30 s": 30.0, "5 min": 300.0}
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
"""Seconds and name of a unit, and of the next smaller one."""
_DATE_TIME = "YYYY-MM-DD HH:mm"


@dataclass(frozen=True)
class View:
    """How a viewer looks at a page."""

    range_ms: int | None
    """How far back from now; ``None`` for everything on record."""
    range_name: str
    zone: str
    """The time zone of all times on the page."""
    refresh_s: float | None
    """Seconds after which the page is drawn again; ``None`` for never."""

    def show(self, time_ms: int) -> str:
        """A time for people, in the zone of the page."""
        return f"{self.local(time_ms):%Y-%m-%d %H:%M}"

    def local(self, time_ms: int) -> datetime:
        """A time in the zone of the page."""
        return from_ms(time_ms).astimezone(zone(self.zone))

    def column(self, label: str | None = None, *, help_text: str | None = None, seconds: bool = False) -> ColumnConfig:
        """The configuration of a table's column of times."""
        return st.column_config.DatetimeColumn(
            label, format=f"{_DATE_TIME}:ss" if seconds else _DATE_TIME, timezone=self.zone, help=help_text
        )


def view(title: str, *, ranged: bool = True, refreshed: Sequence[str] = tuple(_REFRESHES), usual: str = "30 s") -> View:
    """Draw the heading of a page and what its viewer can choose; return what is chosen.

    ``ranged`` is off for pages that show the present only; ``refreshed`` has the periods that are offered.
    """
    st.title(title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="view"):
        range_name = _range() if ranged else "all"
        refresh = st.selectbox(
            "Refresh",
            refreshed,
            index=list(refreshed).index(usual) if usual in refreshed else 0,
            key="refresh",
            bind="query-params",
            width=110,
            help="How often this page is drawn again by itself",
        )
        chosen = st.selectbox(
            "Time zone",
            _zones(st.context.timezone),
            key="zone",
            bind="query-params",
            width=200,
            help="The zone of all times on the page; the names are those of the IANA database",
        )
        st.button("Refresh now", icon=":material/refresh:", key="refresh-now")
    return View(_RANGES[range_name], range_name, chosen or _UTC, _REFRESHES[refresh or "off"])


def drawn(now: View, draw: Callable[[View], None]) -> None:
    """Draw the rest of a page, again and again if its viewer wants that, and say when."""

    def whole() -> None:
        draw(now)
        at = now.local(SystemClock().now_ms())
        st.caption(f"Drawn at {at:%Y-%m-%d %H:%M:%S}; times are in {now.zone}")

    st.fragment(whole, run_every=None if now.refresh_s is None else timedelta(seconds=now.refresh_s))()


def duration(duration_ms: int) -> str:
    """A duration of milliseconds for people, in its two largest units: ``846 d 7 h``, ``2 min 5 s``, ``0 s``."""
    seconds = max(0, duration_ms) // 1000
    for length_s, unit, smaller_s, smaller in _UNITS:
        if seconds >= length_s:
            rest = seconds % length_s // smaller_s
            return f"{seconds // length_s:,} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def _range() -> str:
    chosen = st.segmented_control(
        "Time range", list(_RANGES), default="all", required=True, key="range", bind="query-params"
    )
    return chosen or "all"


def _zones(of_browser: str | None) -> list[str]:
    """UTC, the zone of the browser, and all others."""
    known = zone_names()
    first = dict.fromkeys(name for name in (_UTC, of_browser) if name in known)
    return [*first, *sorted(known - first.keys())]
