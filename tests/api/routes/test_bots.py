"""Bots over HTTP: from one configuration, private to their user, all or nothing."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bots.executor.executor import Executor
from bots.executor.inbox import Inbox, NewTrigger
from bots.executor.report import ExecutorReport
from common.errors import NotFound
from condition_hub.bot_results import BotAction, BotDeal, BotFill, BotNote, BotOrder
from events.consuming.ledger import Ledger
from registry.client import AsyncHubClient, HubClient
from registry.instruments import Instrument, Listing
from tests.api.served_hub import RSI, Hub, a_hub
from tests.bots.executor.lab import no_broker
from tests.registry.store.bot_changes import changes, state

BTC, ETHBTC = "BINANCE:BTCUSDT", "BINANCE:ETHBTC"
DCA: dict[str, Any] = {
    "bot_id": "dca_bot_123", "bot_type": "dca", "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100,
    "takeProfit": 1.5, "entryConditions": [{key: RSI[key] for key in ("indicator", "operator", "value", "period")}],
    "exitConditions": ["rsi(14) > 70"],
}  # fmt: skip
MISSION: list[tuple[str, dict[str, Any]]] = [
    ("dca", {"baseOrderSize": 100, "dcaRules": {}, "conditions": [RSI]}),
    ("dca", {"baseOrderSize": 100, "dcaRules": {"rules": [{**RSI, "operator": "<", "value": 25, "orderSize": 50}]},
             "conditions": [RSI]}),
    ("trend", {"symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100,
               "conditions": [{"indicator": "MACD", "operator": "crosses_above", "component": "histogram"}]}),
    ("grid", {"symbol": "BTCUSDT", "timeframe": "1h", "lower": 40000, "upper": 60000, "count": 5, "counted": "lines",
              "quantityPerGrid": 100,
              "conditions": [{"indicator": "RSI", "operator": "<", "value": 30},
                             {"indicator": "RSI", "operator": ">", "value": 70, "action": "sell"}]}),
]  # fmt: skip
"""What MISSION.md's bots are configured with, and a grid's lines, which it does not show."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub of its own: what users have is counted."""
    with a_hub(tmp_path / "hub") as served:
        yield served


def create(hub: Hub, user: str = "ann", status: int = 201, **body: Any) -> Any:
    response = hub.as_user(user).post("/bots", json={"bot_config": DCA, **body})
    assert response.status_code == status, response.text
    return response.json()


def run(hub: Hub, tmp_path: Path, *fired: tuple[str, int]) -> None:
    """Let an executor act on triggers (condition, close)."""
    with Ledger(tmp_path / "bots.ledger") as ledger:
        inbox = Inbox(ledger)
        executor = Executor(hub.store, inbox, hub.clock, applied=lambda: 1 << 40, open_broker=no_broker, patience_s=0.0)
        bots = [bot for bot in hub.store.bots.changed_after(0, 100) if bot.life == "active"]
        inbox.put(
            NewTrigger(bot.number, f"{condition_id}:{close_ms}", condition_id, close_ms, Decimal(50_000))
            for bot in bots
            for condition_id, close_ms in fired
        )
        for _ in range(3):
            executor.look()


def test_a_bot_is_made_from_one_configuration(hub: Hub) -> None:
    made = create(hub)
    assert (made["bot_id"], made["bot_type"], made["account"], made["life"]) == (
        "dca_bot_123",
        "dca",
        "paper",
        "active",
    )
    (market,) = made["markets"]
    stands = (market["instrument"], market["status"], market["data"], market["gain"])
    assert stands == (BTC, "waiting", "ready", "0")
    # On whose candles it moves.
    assert market["timeframe"] == "1h"
    assert [one["role"] for one in made["conditions"]] == ["entry", "exit"]
    subscribed = hub.as_user("ann").get("/conditions/user/subscriptions").json()["items"]
    assert {one["condition_id"] for one in subscribed} == {one["condition_id"] for one in made["conditions"]}
    assert {(one["bot_id"], one["bot_type"]) for one in subscribed} == {("dca_bot_123", "dca")}
    assert create(hub, status=200)["created_at"] == made["created_at"]
    other = create(hub, status=409, bot_config=DCA | {"baseOrderSize": 200})
    assert other["type"].endswith("bot-exists")


@pytest.mark.parametrize(("kind", "bot_config"), MISSION)
def test_the_missions_configurations_run_unchanged(hub: Hub, kind: str, bot_config: dict[str, Any]) -> None:
    made = create(hub, bot_config=bot_config, bot_id="b", bot_type=kind)
    assert made["bot_type"] == kind
    assert made["conditions"]


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"takeProfit": "much"}, "'much' is no number"),
        ({"takeProfits": 2}, "takeProfits is no parameter of this bot (did you mean"),
        ({"bot_type": "dcaa"}, "is no kind of bot that the hub runs (did you mean dca?)"),
        ({"entryConditions": ["rsi(14) < x"]}, "/entryConditions/0"),
        ({"entryConditions": []}, "nothing would ever begin: a dca bot needs a condition in entryConditions"),
        ({"symbol": "BTCUSDTT"}, "unknown instrument"),
        ({"account": "main"}, "you have no account 'main'"),
        ({"strategy": "short"}, 'give its account some: "paper": {"base": 1}'),
        ({"protections": {"cooldown": 3}}, "protections.cooldown"),
        ({"bot_id": "a/b"}, "letters, digits and . _ -"),
        ({"dcaRules": {"maxSafetyOrders": 10, "safetyOrderSize": 1, "safetyOrderStepPercentage": 20}}, "safety order"),
    ],
)
def test_what_cannot_be_run_is_refused_and_leaves_nothing(hub: Hub, changed: dict[str, Any], detail: str) -> None:
    problem = create(hub, status=422, bot_config=DCA | changed)
    assert detail in problem["detail"]
    assert hub.store.bots.bots_of("ann") == []
    assert hub.store.registry.subscriptions_of("ann") == []


def with_two_currencies(hub: Hub) -> Any:
    """A bot of ann that has gained in USDT and in BTC."""
    hub.store.candles.list_instruments([Listing(Instrument("BINANCE", "ETHBTC"))])
    create(hub, bot_config=DCA | {"symbols": ["BTCUSDT", "ETHBTC"]})
    bot = hub.store.bots.bot("ann", "dca_bot_123")
    assert bot is not None
    usdt = state(bot.number, 1, quote="-45.5", base="0.5", fees="0.30")
    hub.store.bots.record(
        changes(usdt, usdt | {"instrument": ETHBTC, "quote": "0.00012", "base": "0", "fees": "0.0000010"})
    )
    return hub.as_user("ann").get("/bots/dca_bot_123").json()


def test_gains_in_several_currencies_are_not_added_up(hub: Hub) -> None:
    shown = with_two_currencies(hub)
    assert [tuple(gain.values()) for gain in shown["gains"]] == [
        ("USDT", [BTC], "4.550", "0.30"), ("BTC", [ETHBTC], "0.00012", "0.0000010"),
    ]  # fmt: skip
    assert [market["quote_currency"] for market in shown["markets"]] == ["USDT", "BTC"]
    with HubClient(hub.url, hub.key("ann")) as client:
        assert [(one.quote_currency, one.gain) for one in client.bot("dca_bot_123").gains] == [
            ("USDT", "4.550"), ("BTC", "0.00012"),
        ]  # fmt: skip


def test_a_bot_acts_and_its_owner_sees_what_it_did(hub: Hub, tmp_path: Path) -> None:
    made = create(hub)
    entry = made["conditions"][0]["condition_id"]
    run(hub, tmp_path, (entry, hub.clock.now_ms()))
    with HubClient(hub.url, hub.key("ann")) as client:
        assert client.bot("dca_bot_123").markets[0].status == "entering"
        (order,) = client.done_by_bot("dca_bot_123", BotOrder)
        assert (order.side, order.purpose, order.price) == ("buy", "base", None)
        (action,) = client.done_by_bot("dca_bot_123", BotAction)
        assert (action.condition_id, action.role, action.orders) == (entry, "entry", 1)
        assert list(client.done_by_bot("dca_bot_123", BotFill)) == []
        assert list(client.done_by_bot("dca_bot_123", BotDeal)) == []
        assert list(client.done_by_bot("dca_bot_123", BotNote)) == []
        assert client.tell_bot("dca_bot_123", "kill").life == "active"
        run(hub, tmp_path)
        assert client.bot("dca_bot_123").life == "ended"
        assert [note.text for note in client.done_by_bot("dca_bot_123", BotNote)] == ["command: kill"]
        assert [bot.life for bot in client.bots()] == ["ended"]
    assert hub.store.registry.subscriptions_of("ann") == []


def test_metrics_of_bots_have_their_states_and_what_the_executor_tells(hub: Hub) -> None:
    operator = hub.as_user("ops", "operator")
    assert "hub_executor" not in operator.get("/metrics").text
    with_two_currencies(hub)
    create(hub, "bob")
    bob = hub.store.bots.bot("bob", "dca_bot_123")
    assert bob is not None
    failed = state(bob.number, 1, status="error", error="e", deals=2, orders=3, quote="50")
    hub.store.bots.record(changes(failed))
    create(hub, "eve")
    hub.store.bots.end(bob.number + 1, at_ms=hub.clock.now_ms())
    report = ExecutorReport(
        round_ms=hub.clock.now_ms(), bots=2, not_run=1, waiting=3, lag_s=61.5, failures={"dca": 4}, refused={"grid": 5},
        restarts={"bots-act": 1},
    )  # fmt: skip
    report.write(hub.settings.data_dir)
    text = operator.get("/metrics").text
    for line in (
        'hub_bots_active{kind="dca"} 2.0',
        'hub_bots_in_error{kind="dca"} 1.0',
        'hub_bot_markets{kind="dca",state="error"} 1.0',
        'hub_bot_markets{kind="dca",state="waiting"} 2.0',
        'hub_bot_deals{kind="dca"} 2.0',
        'hub_bot_orders_working{kind="dca"} 3.0',
        'hub_bot_gain{kind="dca",quote_currency="USDT"} 54.55',
        'hub_bot_gain{kind="dca",quote_currency="BTC"} 0.00012',
        'hub_bot_fees{kind="dca",quote_currency="USDT"} 0.3',
        "hub_executor_bots 2.0",
        "hub_executor_bots_not_run 1.0",
        "hub_executor_triggers_waiting 3.0",
        "hub_executor_lag_seconds 61.5",
        'hub_bot_failures_total{kind="dca"} 4.0',
        'hub_bot_orders_refused_total{kind="grid"} 5.0',
        'hub_executor_restarts_total{loop="bots-act"} 1.0',
    ):
        assert f"{line}\n" in text, line
    assert "dca_bot_123" not in text


def test_metrics_of_bots_add_up_what_their_owners_see(hub: Hub, tmp_path: Path) -> None:
    entry = create(hub)["conditions"][0]["condition_id"]
    create(hub, "bob")
    run(hub, tmp_path, (entry, hub.clock.now_ms()))
    shown = [bot for user in ("ann", "bob") for bot in hub.as_user(user).get("/bots").json()["items"]]
    orders = sum(market["orders"] for bot in shown for market in bot["markets"])
    assert orders == 2
    text = hub.as_user("ops", "operator").get("/metrics").text
    for line in (
        f'hub_bots_active{{kind="dca"}} {len(shown):.1f}',
        f'hub_bot_orders_working{{kind="dca"}} {orders:.1f}',
        'hub_bots_in_error{kind="dca"} 0.0',
        'hub_bot_deals{kind="dca"} 0.0',
    ):
        assert f"{line}\n" in text
    assert "dca_bot_123" not in text


def test_bots_of_others_are_not_there(hub: Hub) -> None:
    create(hub)
    bob = hub.as_user("bob")
    for path in ("", "/orders", "/fills", "/deals", "/triggers", "/notes"):
        assert bob.get(f"/bots/dca_bot_123{path}").status_code == 404
    for word in ("pause", "resume", "stop", "kill"):
        assert bob.post(f"/bots/dca_bot_123/{word}").status_code == 404
    assert bob.get("/bots").json()["items"] == []
    assert bob.post("/kill-switch").json() == {"bots": 0}
    assert bob.post("/kill-switch/all").status_code == 403
    assert create(hub, "bob")["bot_id"] == "dca_bot_123"
    assert hub.as_user("root", "operator").post("/kill-switch/all").json() == {"bots": 2}
    assert hub.as_user("root", "operator").get("/bots/dca_bot_123").status_code == 404


def test_a_user_has_a_quota_of_bots(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_bots=1) as hub:
        create(hub)
        problem = create(hub, status=403, bot_id="another")
        assert "a user may have 1 bots" in problem["detail"]


def test_pages_of_bots_are_whole(hub: Hub) -> None:
    for number in range(5):
        create(hub, bot_id=f"b{number}")
    with HubClient(hub.url, hub.key("ann")) as client:
        assert [bot.bot_id for bot in client.bots()] == ["b4", "b3", "b2", "b1", "b0"]
    first = hub.as_user("ann").get("/bots?limit=3").json()
    rest = hub.as_user("ann").get(f"/bots?limit=3&cursor={first['next_cursor']}").json()
    assert [one["bot_id"] for one in first["items"] + rest["items"]] == ["b4", "b3", "b2", "b1", "b0"]
    assert rest["next_cursor"] is None


async def test_the_async_client_does_the_same(hub: Hub) -> None:
    async with AsyncHubClient(hub.url, hub.key("ann")) as client:
        made = await client.create_bot(DCA, bot_id="b")
        assert (await client.bot("b")).bot_id == made.bot_id
        assert [bot.bot_id async for bot in client.bots()] == ["b"]
        assert (await client.tell_bot("b", "pause")).bot_id == "b"
        assert [order async for order in client.done_by_bot("b", BotOrder)] == []
        assert await client.kill_bots() == 1
        with pytest.raises(NotFound):
            await client.bot("c")


def test_a_preview_says_what_a_request_would_do_and_makes_nothing(hub: Hub) -> None:
    ann = hub.as_user("ann")

    def would(**changes: Any) -> str:
        return str(ann.post("/bot-preview", json={"bot_config": DCA | changes}).json()["would"])

    assert would() == "create"
    assert hub.store.bots.bots_of("ann") == []
    create(hub)
    assert would() == "nothing"
    assert would(baseOrderSize=101) == "refuse"
    assert hub.as_user("bob").post("/bot-preview", json={"bot_config": DCA}).json()["would"] == "create"
    assert ann.post("/bot-preview", json={"bot_config": DCA | {"baseOrderSize": "x"}}).status_code == 422
