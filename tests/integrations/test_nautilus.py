"""The actors of ``docs/nautilus.md`` give NautilusTrader's strategies the triggers of a hub as signals."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from tests.condition_hub.blocking_source import ROOT
from tests.condition_hub.served_hub import ServedHub, open_hub
from tests.condition_hub.test_quickstart import DAY, demo_candles
from tests.waiting import wait_for

RUN = Path(__file__).with_name("nautilus_run.py")
RISING = "DEMOUSDT 1m: every(close > open)"
START = DAY - timedelta(minutes=20)
MINUTE = 60_000


@pytest.fixture
def hub(tmp_path: Path, clock: ReplayClock) -> Iterator[ServedHub]:
    """Served, with half an hour of candles that rise."""
    with open_hub(tmp_path, clock) as made, made.serving():
        made.store.candles.upsert(demo_candles(-30, 0))
        yield made


def running(hub: ServedHub, mode: str) -> "subprocess.Popen[str]":
    """NautilusTrader in the environment that ``HUB_TEST_NAUTILUS`` names; skips the test without one."""
    place = os.environ.get("HUB_TEST_NAUTILUS")
    if not place:
        pytest.skip("HUB_TEST_NAUTILUS names no environment with nautilus_trader 1.231 and clients/python installed")
    span = [f"{moment:%Y-%m-%d %H:%M}" for moment in (START, DAY)]
    command = [str(Path(place) / "bin" / "python"), str(RUN), mode, str(ROOT / "docs" / "nautilus.md"), RISING, *span]
    env = {"HUB_API_URL": hub.url, "HUB_API_KEY": hub.key("alice"), "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, env=env, cwd=RUN.parent, stdout=subprocess.PIPE, text=True)


def lines(run: "subprocess.Popen[str]") -> list[str]:
    """What a run says until it ends."""
    with run:
        try:
            said, _ = run.communicate(timeout=300)
        finally:
            run.kill()
    assert run.returncode == 0
    return [line for line in said.splitlines() if line.startswith(("Signal", "bar"))]


def test_triggers_are_signals_of_a_running_node(hub: ServedHub) -> None:
    run = running(hub, "live")
    try:
        wait_for(lambda: hub.streams_of("alice") > 0 or run.poll() is not None, "the actor to read", 120)
        for minute in range(3):
            hub.advance(demo_candles(minute, minute + 1), "1m")
    except BaseException:
        run.kill()
        raise
    assert lines(run) == [f"SignalRising 2.0 {to_ms(DAY) + minute * MINUTE}" for minute in (1, 2, 3)]
    assert {(one.bot_id, one.bot_type) for one in hub.store.registry.subscriptions_of("alice")} == {
        ("nautilus", "nautilus")
    }


def test_previews_are_signals_of_a_backtest(hub: ServedHub) -> None:
    expected = []
    for minute in range(1, 21):
        close_ms = to_ms(START) + minute * MINUTE
        expected += [f"bar 2.00 {close_ms}", f"SignalRising 1 {close_ms}"]
    assert lines(running(hub, "backtest")) == expected
