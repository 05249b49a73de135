"""Fifty tasks of an agent against `hub mcp` over stdio, with the SDK's client: an error leads to a call that works."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.api.served_hub import Hub

mcp = pytest.importorskip("mcp")

ROOT = Path(__file__).resolve().parents[3]
RSI = "BTCUSDT 1h: rsi(14) crosses_below 30"
OTHERS = "ETHUSDT 1h: close > 12345"
"""A condition of bob's, with a bot of his."""
BOBS_BOT = "bob-private-bot"

Answer = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A call and what must come of it: an error that says something, or an answer that fulfils a check."""

    tool: str
    arguments: Callable[[Answer], dict[str, Any]]
    """From the answer of the step before."""
    error: str | None = None
    holds: Callable[[Answer], bool] = lambda _: True


def step(
    tool: str, error: str | None = None, holds: Callable[[Answer], bool] = lambda _: True, **arguments: Any
) -> Step:
    return Step(tool, lambda _: arguments, error, holds)


def then(tool: str, holds: Callable[[Answer], bool] = lambda _: True, **more: Any) -> Step:
    """A call about the condition that the step before was about."""
    return Step(tool, lambda before: {"condition_id": before["condition_id"], **more}, None, holds)


def mended(wrong: str, error: str, right: str) -> list[Step]:
    """A condition that is refused, and what the error lets an agent write."""
    return [
        step("parse_condition", error, condition=wrong),
        step("parse_condition", holds=lambda answer: len(answer["condition_id"]) == 32, condition=right),
    ]


READING: dict[str, list[Step]] = {
    "all indicators": [step("list_indicators", holds=lambda a: len(a["indicators"]) > 40)],
    "one indicator": [step("list_indicators", holds=lambda a: "macd" in str(a), search="macd")],
    "an indicator by its alias": [step("list_indicators", holds=lambda a: "bbands" in str(a), search="bollinger")],
    "how an indicator is written": [
        step("list_indicators", holds=lambda a: a["indicators"][0]["write"].startswith("rsi(14)"), search="rsi")
    ],
    "no such indicator": [
        step("list_indicators", "there are sma", search="magic"), step("list_indicators", search="stoch")
    ],
    "all instruments": [step("list_instruments", holds=lambda a: "BINANCE:BTCUSDT" in str(a))],
    "one instrument": [step("list_instruments", holds=lambda a: len(a["instruments"]) >= 1, search="eth")],
    "how fresh candles are": [
        step("list_instruments", holds=lambda a: "Z" in a["instruments"][0]["series"][0]["last_close_time"])
    ],
    "no such instrument": [
        step("list_instruments", "such as BINANCE:", search="DOGEBTCX"), step("list_instruments", search="BTC")
    ],
    "parse": [step("parse_condition", holds=lambda a: a["canonical"].startswith("BINANCE:BTCUSDT"), condition=RSI)],
    "parse a composite": [
        step("parse_condition", condition="BTCUSDT 1h: all(close > sma(50), rsi(14) < 40) within 3 bars")
    ],
    "parse says whether it is registered": [
        step("parse_condition", holds=lambda a: a["known"] is False, condition="BTCUSDT 1h: close > 77777"),
        step("parse_condition", holds=lambda a: a["known"] is True, condition=OTHERS),
    ],
    "a misspelled indicator": mended("BTCUSDT 1h: rsj(14) < 30", "rsi", "BTCUSDT 1h: rsi(14) < 30"),
    "a misspelled operator": mended("BTCUSDT 1h: rsi(14) crosses_bellow 30", "crosses_below", RSI),
    "a wrong timeframe": mended("BTCUSDT 7m: close > 1", "use one of 1m", "BTCUSDT 5m: close > 1"),
    "an unknown symbol": mended("BTCUSTD 1h: close > 1", "BTCUSDT", "BTCUSDT 1h: close > 1"),
    "no series": mended("rsi(14) < 30", "Write it like", "BTCUSDT 1h: rsi(14) < 30"),
    "an unfinished text": mended("BTCUSDT 1h: rsi(14) <", "Write it like", "BTCUSDT 1h: rsi(14) < 30"),
    "a period out of bounds": mended("BTCUSDT 1h: rsi(1) < 30", "period", "BTCUSDT 1h: rsi(2) < 30"),
    "no output named": mended("BTCUSDT 1h: bbands(20, 2) > 1", "upper", "BTCUSDT 1h: close > bbands(20, 2).upper"),
    "a chained comparison": mended(
        "BTCUSDT 1h: 30 < rsi(14) < 70", "Write it like", "BTCUSDT 1h: rsi between 30 and 70"
    ),
    "no variable": mended("BTCUSDT 1h: 1 < 2", "Write it like", "BTCUSDT 1h: close < 2"),
    "preview": [step("preview_condition", holds=lambda a: a["triggers"] > 0, condition=RSI)],
    "preview of a month": [
        step("preview_condition", holds=lambda a: a["start"].startswith("2024-07-01"), condition=RSI,
             start="2024-07-01", end="2024-08-01")
    ],
    "preview lists triggers": [
        step("preview_condition", holds=lambda a: len(a["last"]) == 2, condition=RSI, last=2)
    ],
    "preview with a bad time": [
        step("preview_condition", "Write it like 2024-08-05", condition=RSI, start="last tuesday"),
        step("preview_condition", condition=RSI, start="2024-07-30"),
    ],
    "preview the wrong way round": [
        step("preview_condition", "start must be before end", condition=RSI, start="2024-08-01", end="2024-07-01"),
        step("preview_condition", condition=RSI, start="2024-07-01", end="2024-08-01"),
    ],
    "preview of what cannot be read": [
        step("preview_condition", "parse_condition", condition="BTCUSDT 1h: rsi(14) <"),
        step("preview_condition", condition="BTCUSDT 1h: rsi(14) < 30"),
    ],
    "backtest": [
        step("backtest_condition", holds=lambda a: a["figures"] and a["lines"], condition=RSI, horizon=24)
    ],
    "backtest with an exit": [
        step("backtest_condition", condition=RSI, exit="BTCUSDT 1h: rsi(14) crosses_above 70", stop_percent=5)
    ],
    "backtest short": [step("backtest_condition", condition="BTCUSDT 1h: rsi(14) > 75", side="short", horizon=12)],
    "backtest with the exit of another series": [
        step("backtest_condition", "of that series", condition=RSI, exit="ETHUSDT 1h: rsi(14) > 70"),
        step("backtest_condition", condition=RSI, exit="BTCUSDT 1h: rsi(14) > 70"),
    ],
    "backtest with a word for a side": [
        step("backtest_condition", "'long' or 'short'", condition=RSI, side="buy"),
        step("backtest_condition", condition=RSI, side="long"),
    ],
    "backtest without a condition": [
        step("backtest_condition", "condition", side="long"),
        step("backtest_condition", condition=RSI, side="long"),
    ],
    "explain": [step("parse_condition", condition=OTHERS), then("explain_condition", lambda a: "verdict" in a)],
    "explain a past candle": [
        step("parse_condition", condition=OTHERS),
        then("explain_condition", lambda a: a["close_time"] == "2024-08-05T01:00:00Z", at="2024-08-05T01:00:00Z"),
    ],
    "explain what is not registered": [
        step("explain_condition", "preview_condition", condition_id="0" * 32),
        step("parse_condition", condition=OTHERS),
        then("explain_condition"),
    ],
    "status": [step("parse_condition", condition=OTHERS), then("condition_status", lambda a: a["state"] == "judged")],
    "status of nothing": [
        step("condition_status", "parse_condition", condition_id="f" * 32),
        step("parse_condition", condition=OTHERS),
        then("condition_status"),
    ],
    "status of what is no id": [
        step("condition_status", "32 characters", condition_id="rsi"),
        step("parse_condition", condition=OTHERS),
        then("condition_status"),
    ],
    "triggers": [step("parse_condition", condition=OTHERS), then("list_triggers", lambda a: a["triggers"] == [])],
    "one's own subscriptions": [
        step("my_subscriptions", holds=lambda a: [one["bot_id"] for one in a["subscriptions"]] == ["ann-bot"])
    ],
    "another's bot is not there": [
        step("my_subscriptions", holds=lambda a: a["subscriptions"] == [], bot_id=BOBS_BOT),
        step("my_subscriptions", holds=lambda a: len(a["subscriptions"]) == 1),
    ],
}  # fmt: skip

NOT_WRITTEN: dict[str, list[Step]] = {
    f"no {tool} without --write": [
        Step(tool, lambda _, sent=arguments: sent, tool),  # type: ignore[misc]
        step("parse_condition", holds=lambda a: a["known"] is False, condition="BTCUSDT 1h: close > 4242"),
    ]
    for tool, arguments in {
        "register_condition": {"condition": "BTCUSDT 1h: close > 4242"},
        "subscribe_bot": {"bot_id": "x", "condition_id": "0" * 32},
        "unsubscribe_bot": {"bot_id": "ann-bot", "condition_id": "0" * 32},
    }.items()
}

WRITING: dict[str, list[Step]] = {
    "register": [
        step("register_condition", holds=lambda a: a["created"] is True, condition="BTCUSDT 1h: close > 51"),
        step("register_condition", holds=lambda a: a["created"] is False, condition="BTCUSDT 1h: close > 51"),
    ],
    "register what cannot be read": [
        step("register_condition", "rsi", condition="BTCUSDT 1h: rsj(14) < 52"),
        step("register_condition", condition="BTCUSDT 1h: rsi(14) < 52"),
    ],
    "subscribe": [
        step("register_condition", condition="BTCUSDT 1h: close > 53"),
        then("subscribe_bot", lambda a: a["policy"]["cooldown_s"] == 3600, bot_id="agent", cooldown_s=3600),
        step("my_subscriptions", holds=lambda a: len(a["subscriptions"]) == 1, bot_id="agent"),
    ],
    "subscribe to what is not registered": [
        step("subscribe_bot", "register", bot_id="agent", condition_id="0" * 32),
        step("register_condition", condition="BTCUSDT 1h: close > 54"),
        then("subscribe_bot", bot_id="agent"),
    ],
    "subscribe a bot with a bad name": [
        step("subscribe_bot", "printable", bot_id="a\nb", condition_id="0" * 32),
        step("register_condition", condition="BTCUSDT 1h: close > 54"),
        then("subscribe_bot", bot_id="a b"),
    ],
    "unsubscribe": [
        step("register_condition", condition="BTCUSDT 1h: close > 55"),
        then("subscribe_bot", bot_id="agent"),
        then("unsubscribe_bot", lambda a: a["state"] == "ended", bot_id="agent"),
    ],
    "unsubscribe another's bot": [
        step("unsubscribe_bot", "my_subscriptions", bot_id=BOBS_BOT, condition_id="0" * 32),
        step("my_subscriptions", holds=lambda a: BOBS_BOT not in str(a)),
    ],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, sample: pl.DataFrame) -> Any:
    with Hub(tmp_path_factory.mktemp("hub"), sample) as served:
        for user, bot in (("bob", BOBS_BOT), ("ann", "ann-bot")):
            client = served.as_user(user)
            condition = OTHERS if user == "bob" else "BTCUSDT 1h: close > 50"
            registered = client.post("/conditions/register", json={"condition": condition}).json()["condition_id"]
            body = {"bot_id": bot, "condition_id": registered, "bot_type": "dca", "bot_config": {"key": "s3cret"}}
            assert client.post("/conditions/subscribe", json=body).status_code == 201
        yield served


def carry_out(hub: Hub, tasks: dict[str, list[Step]], *options: str) -> tuple[list[str], str]:
    """What went wrong in which task, and everything that was answered."""
    environment = {
        **os.environ,
        "HUB_API_URL": hub.url,
        "HUB_API_KEY": hub.key("ann"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    server = mcp.StdioServerParameters(
        command=sys.executable, args=[str(ROOT / "app_cli.py"), "mcp", *options], env=environment
    )
    wrong: list[str] = []
    told: list[str] = []

    async def run() -> None:
        async with mcp.Client(server) as client:
            for name, steps in tasks.items():
                answer: Answer = {}
                for number, each in enumerate(steps, 1):
                    result = await client.call_tool(each.tool, each.arguments(answer))
                    text = "".join(getattr(part, "text", "") for part in result.content)
                    told.append(text)
                    if each.error is not None:
                        if not result.is_error or each.error not in text:
                            wrong.append(f"{name}, step {number}: no error with {each.error!r}: {text[:300]}")
                        continue
                    if result.is_error:
                        wrong.append(f"{name}, step {number}: {text[:300]}")
                        break
                    answer = result.structured_content or json.loads(text)
                    if not each.holds(answer):
                        wrong.append(f"{name}, step {number}: {text[:300]}")

    asyncio.run(asyncio.wait_for(run(), 300))
    return wrong, "\n".join(told)


def test_fifty_tasks(hub: Hub) -> None:
    assert len(READING) + len(NOT_WRITTEN) + len(WRITING) >= 50
    change = hub.store.registry.last_change()
    wrong, told = carry_out(hub, {**READING, **NOT_WRITTEN})
    assert wrong == []
    assert hub.store.registry.last_change() == change, "nothing is written without --write"
    wrong, more = carry_out(hub, WRITING, "--write")
    assert wrong == []
    assert hub.store.registry.last_change() > change
    assert BOBS_BOT not in "".join(line for line in (told + more).splitlines() if "no subscription" not in line)
    assert "s3cret" not in told + more, "no configuration is shown"
    bobs = hub.store.registry.subscriptions_of("bob")
    assert [(one.bot_id, one.state) for one in bobs] == [(BOBS_BOT, "active")]


def test_each_error_is_followed_by_a_call_that_works() -> None:
    for name, steps in {**READING, **NOT_WRITTEN, **WRITING}.items():
        for each, following in zip(steps, [*steps[1:], None], strict=True):
            assert each.error is None or (following is not None and following.error is None), name


def test_descriptions_are_short() -> None:
    from hub.agents.server import make_server
    from registry.client import AsyncHubClient

    async def listed() -> list[Any]:
        client = AsyncHubClient("http://127.0.0.1:9", "hub_x_y")
        return list(await make_server(client, write=True).list_tools())

    tools = asyncio.run(listed())
    assert len(tools) == 12
    for tool in tools:
        assert 20 < len(tool.description) < 300, tool.name
    assert {tool.name for tool in tools if not tool.annotations.read_only_hint} == {
        "register_condition", "subscribe_bot", "unsubscribe_bot",
    }  # fmt: skip
