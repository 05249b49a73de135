"""The client against the real API: every operation once, and what is refused."""

import asyncio
import copy
import inspect
import json
import pickle
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import (
    ApiRefused,
    ApiUnreachable,
    BodyNotJson,
    ConditionsRefused,
    HubError,
    KeyRefused,
    LimitReached,
    NotFound,
    SettingsError,
)
from common.timeframes import to_ms
from condition_hub.conditions import ConditionLike
from registry import Condition
from registry.client import AsyncHubClient, HubClient, Policy, Registration, defaults
from registry.store.parts.registry import SubscriptionRequest
from tests.condition_hub.served_hub import ServedHub, open_hub

DAY = datetime(2024, 8, 5, tzinfo=UTC)
RSI = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "crosses_below", "value": 30}
TEXT = "BTCUSDT 1h: rsi(14) crosses_below 30"


@pytest.fixture
async def client(hub: ServedHub) -> AsyncIterator[AsyncHubClient]:
    async with AsyncHubClient(hub.url, hub.key()) as opened:
        yield opened


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, tuple[list[str], str | None]]:
        functions = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: (list(inspect.signature(method).parameters), inspect.getdoc(method))
            for name, method in functions
            if not name.startswith("_")
        }

    assert methods(HubClient) == methods(AsyncHubClient)


async def test_a_registration_is_an_id_and_a_mapping(client: AsyncHubClient) -> None:
    first = await client.register_condition(RSI)
    assert first == Condition.parse(TEXT).id
    assert first["condition_id"] == first.condition_id == str(first)
    assert type(first.condition_id) is str
    assert (first.created, first["timeframe"], first["data"]) == (True, "1h", "ready")
    assert {**first} == dict(first) == first.answer == dict(first.items())
    assert json.loads(json.dumps({"id": first, first: 1})) == {"id": str(first), str(first): 1}
    assert first[:4] == str(first)[:4]
    for other in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert isinstance(other, Registration)
        assert (other, other.answer, other.created) == (first, first.answer, True)


@pytest.mark.parametrize("spelling", [RSI, TEXT, Condition.parse(TEXT), {"condition": TEXT}])
async def test_every_spelling_has_the_same_id(client: AsyncHubClient, spelling: ConditionLike) -> None:
    created = await client.register_condition(TEXT)
    again = await client.register_condition(spelling)
    assert (created.created, again.created) == (True, False)
    assert again == created


async def test_defaults_stand_in_for_what_a_condition_does_not_name(client: AsyncHubClient) -> None:
    with defaults(symbol="ETHUSDT", timeframe="1h"):
        made = [
            await client.register_condition({"indicator": "RSI", "operator": "<", "value": 30}),
            await client.register_condition({"indicator": "RSI", "operator": "<", "value": 30, "symbol": "BTCUSDT"}),
            await client.register_condition("rsi < 30"),
            await client.register_condition("BTCUSDT 1h: rsi < 30"),
            *await client.register_many(["rsi < 31", {"indicator": "RSI", "operator": "<", "value": 32}]),
        ]
        preview = await client.preview({"indicator": "RSI", "operator": "<", "value": 30})
    texts = ["ETHUSDT 1h: rsi < 30", "BTCUSDT 1h: rsi < 30"] * 2 + ["ETHUSDT 1h: rsi < 31", "ETHUSDT 1h: rsi < 32"]
    assert made == [Condition.parse(text).id for text in texts]
    assert preview.condition_id == made[0]
    with pytest.raises(ApiRefused, match="symbol") as refused:
        await client.register_condition({"indicator": "RSI", "operator": "<", "value": 30})
    assert refused.value.status == 422


async def test_the_life_of_a_subscription(client: AsyncHubClient, hub: ServedHub) -> None:
    condition_id = await client.register_condition("BTCUSDT 1h: close > 1")
    policy = Policy(cooldown_s=60, while_true=True)
    made = await client.subscribe_bot("bot", condition_id, "dca", {"size": 1}, policy=policy)
    assert (made.state, made.bot_type, made.policy.cooldown_s, made.deliver) == ("active", "dca", 60, False)
    assert made.now.truth == "TRUE"
    assert hub.store.registry.bot_config("alice", "bot", condition_id) == {"size": 1}
    assert (await client.pause("bot", condition_id)).state == "paused"
    assert [subscription.state async for subscription in client.subscriptions()] == ["paused"]
    assert (await client.resume("bot", condition_id)).state == "active"
    rearmed = await client.rearm("bot", condition_id)
    assert (rearmed.deliver, rearmed.trigger_id) == (True, f"{condition_id}:{rearmed.now.close_time}")
    assert await client.unsubscribe("bot", condition_id) is True
    assert await client.unsubscribe("bot", condition_id) is False
    assert [subscription async for subscription in client.subscriptions()] == []


async def test_arguments_by_name(client: AsyncHubClient) -> None:
    condition_id = await client.register_condition(TEXT)
    made = await client.subscribe_bot(bot_id="b", condition_id=condition_id, bot_type="grid", bot_config={})
    assert (made.bot_id, made.condition_id) == ("b", condition_id)


async def test_subscriptions_come_page_by_page(client: AsyncHubClient, hub: ServedHub) -> None:
    made = await client.register_many(f"BTCUSDT 1h: rsi < {value / 8}" for value in range(1, 126))
    requests = [SubscriptionRequest("alice", f"bot-{k % 2}", each, "grid", {}) for k, each in enumerate(made)]
    requests.append(SubscriptionRequest("bob", "bot-0", made[0], "grid", {}))
    hub.store.registry.subscribe(requests, active_from_ms=hub.clock.now_ms())
    assert {subscription.condition_id async for subscription in client.subscriptions()} == set(made)
    with HubClient(hub.url, hub.key("alice")) as blocking:
        subscriptions = blocking.subscriptions(bot_id="bot-0")
        assert sorted(subscription.condition_id for subscription in subscriptions) == sorted(made[::2])


async def test_what_fired_and_why(client: AsyncHubClient, hub: ServedHub, hourly: pl.DataFrame) -> None:
    condition_id = await client.register_condition("BTCUSDT 1h: every(close > 0)")
    await client.subscribe_bot("bot", condition_id, "dca")
    span = pl.col("open_time").is_between(DAY, DAY + timedelta(hours=6), closed="left")
    assert (await asyncio.to_thread(hub.advance, hourly.filter(span))).triggers == 6
    status = await client.status(condition_id)
    assert (status.triggers, status.active, status.judged_until) == (6, True, to_ms(DAY + timedelta(hours=6)))
    assert status.subscribers is None
    fired = [trigger async for trigger in client.triggers_of(condition_id)]
    assert [trigger.close_time for trigger in fired] == [to_ms(DAY + timedelta(hours=hour)) for hour in range(6, 0, -1)]
    assert fired[0].trigger_id == f"{condition_id}:{fired[0].close_time}"
    explained = await client.explain(condition_id, at=fired[0].close_time)
    assert (explained.verdict, explained.fires, explained.recorded) == ("fires", True, True)
    assert explained.tree is not None
    preview = await client.preview("BTCUSDT 1h: every(close > 0)", start=to_ms(DAY), end=to_ms(DAY) + 3_600_000, last=1)
    assert (preview.triggers, preview.candles, len(preview.last), preview.registered) == (1, 1, 1, True)


async def test_previews_of_many_conditions(
    client: AsyncHubClient, hub: ServedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.insight._MOST_PREVIEWED_TRIGGERS", 100)
    start, end = DAY - timedelta(days=5), DAY
    wanted: list[ConditionLike] = [f"BTCUSDT 1h: rsi < {level}" for level in range(20, 80)]
    wanted += [RSI, Condition.parse("ETHUSDT 1h: every(close > 0)")]
    previews = await client.preview_many(wanted, start=start, end=end)
    assert [one.condition_id for one in previews] == [one.condition_id for one in await client.check_many(wanted)]
    assert len(previews[-1].close_times) == 5 * 24
    for place in (10, 30, 60):
        single = await client.preview(wanted[place], start=start, end=end, last=1000)
        assert list(previews[place].close_times) == [one.close_time for one in reversed(single.last)]
        assert list(previews[place].open_times) == [one.open_time for one in reversed(single.last)]
        assert list(previews[place].settled) == [one.settled for one in reversed(single.last)]
    assert await client.preview_many([], start=start, end=end) == []
    with pytest.raises(ApiRefused, match="start must be before end"):
        await client.preview_many(wanted, start=end, end=start)
    assert hub.store.registry.totals()["conditions"] == 0


async def test_many_conditions_in_few_requests(client: AsyncHubClient, hub: ServedHub) -> None:
    wanted = [f"BTCUSDT 1h: rsi < {value / 100}" for value in range(1, 1501)]
    told: list[tuple[int, int]] = []
    made = await client.register_many(wanted, progress=lambda done, total: told.append((done, total)))
    assert made == [Condition.parse(text).id for text in wanted]
    assert all(registration.created for registration in made)
    assert told == [(1000, 1500), (1500, 1500)]
    assert await client.register_many([]) == []
    assert hub.store.registry.totals()["conditions"] == 1500


async def test_large_conditions_are_sent_in_smaller_parts(hub: ServedHub) -> None:
    def large(number: int) -> str:
        parts = ", ".join(f"close@KRAKEN:BTC/EUR > {number}.{place}" for place in range(25))
        return f"BTCUSDT 1h: all({parts}{' ' * 2500})"

    told: list[int] = []
    async with AsyncHubClient(hub.url, hub.key(), timeout_s=300) as client:
        with pytest.raises(ConditionsRefused) as refused:
            await client.register_many(map(large, range(500)), progress=lambda done, _: told.append(done))
    assert told[-1] == 500
    assert len(told) > 1
    assert len(refused.value.refused) == 500


async def test_a_bad_condition_does_not_stop_the_others(
    client: AsyncHubClient, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted: list[ConditionLike] = [TEXT, "BTCUSDT 1h: rsj < 30", RSI, "BTCUSDT 7m: rsi < 30"]
    with pytest.raises(ConditionsRefused, match=r"2 of 4 .* number 1: .*rsj.*did you mean rsi") as caught:
        await client.register_many(wanted, progress=True)
    assert list(caught.value.refused) == [1, 3]
    assert "7m" in caught.value.refused[3]
    good = Condition.parse(TEXT).id
    assert list(caught.value.registered) == [good, None, good, None]
    assert capfd.readouterr().err.strip() == "", "the bar disappears, and nothing else is printed"


async def test_a_refusal_names_the_field_what_is_allowed_and_the_request(client: AsyncHubClient) -> None:
    with pytest.raises(ApiRefused, match=r"crosses_under_the_bridge.*use one of.*crosses_below") as caught:
        await client.register_condition({**RSI, "operator": "crosses_under_the_bridge"})
    assert (caught.value.status, caught.value.field) == (422, "/operator")
    assert caught.value.request_id
    assert caught.value.request_id in str(caught.value)
    with pytest.raises(ApiRefused, match="bot_type") as caught:
        await client.subscribe_bot("bot", "0" * 32, "No Such Type!", {})
    assert caught.value.field == "/bot_type"


async def test_a_registration_says_what_keeps_it_from_firing(client: AsyncHubClient) -> None:
    registration = await client.register_condition("BTCUSDT 1m: rsi < 300")
    missing = "a series of the condition has no candles yet, so it cannot fire"
    beyond = "rsi(14) < 300 is always TRUE: rsi goes from 0 to 100"
    assert (registration["data"], registration["warnings"]) == ("missing", [beyond])
    assert registration.warnings == (missing, beyond)
    assert (await client.status(registration)).warnings == [beyond]
    many = await client.register_many(["BTCUSDT 1h: rsi < 300", "BTCUSDT 1h: rsi < 30", "BTCUSDT 1m: rsi < 30"])
    assert [one.warnings for one in many] == [(beyond,), (), (missing,)]


async def test_unknown_conditions_are_not_found(client: AsyncHubClient) -> None:
    with pytest.raises(NotFound):
        await client.status("0" * 32)
    with pytest.raises(NotFound):
        await client.subscribe_bot("bot", "0" * 32, "dca", {})
    for no_id in ("../../metrics", "a/b", "", "x?y=z#f"):
        with pytest.raises(ApiRefused):
            await client.status(no_id)


async def test_a_wrong_key_is_refused_and_appears_nowhere(hub: ServedHub) -> None:
    key = hub.key()
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    async with AsyncHubClient(hub.url, wrong) as client:
        with pytest.raises(KeyRefused, match=r"hub keys create") as caught:
            await client.register_condition(TEXT)
        shown = [repr(client), repr(client.address), str(caught.value), repr(caught.value)]
    assert not any(wrong[20:] in text for text in shown)
    assert caught.value.status == 401


async def test_what_json_cannot_hold_is_not_sent(client: AsyncHubClient) -> None:
    with pytest.raises(BodyNotJson, match="/value is nan"):
        await client.register_condition({**RSI, "value": float("nan")})
    with pytest.raises(BodyNotJson, match="/bot_config/rules/1 is a value of type set"):
        await client.post("/conditions/subscribe", json={"bot_config": {"rules": [1, {2}]}})


async def test_requests_answer_as_httpx_does(client: AsyncHubClient, hub: ServedHub) -> None:
    answer = await client.post("/conditions/register", json=RSI)
    assert (answer.status_code, answer.json()["condition_id"]) == (201, Condition.parse(TEXT).id)
    assert (await client.post("/conditions/register", json={})).status_code == 422
    assert (await client.get("/conditions/user/subscriptions", params={"bot_id": None})).json()["items"] == []
    with HubClient(hub.url, hub.key()) as blocking:
        assert blocking.post("/conditions/register", json=RSI).status_code == 200
        assert blocking.get("/health/live").json() == {"status": "ok"}


def test_without_a_key_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_API_KEY", raising=False)
    with pytest.raises(SettingsError, match=r"hub keys create.*HUB_API_KEY"):
        HubClient("http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://hub", "http://user:secret@hub", "http://", "http://hub:port", "x"]
)
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="write http://HOST") as caught:
        HubClient(url, "hub_key")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["with blank", "line\nbreak", "schlüssel"])
def test_an_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="copy it again") as caught:
        HubClient("http://hub", key)
    assert key not in str(caught.value)


def test_an_unreachable_hub_is_named() -> None:
    with HubClient("http://127.0.0.1:9", "hub_key", patience_s=0.2) as client:
        with pytest.raises(ApiUnreachable, match=r"http://127.0.0.1:9 does not answer.*hub up.*HUB_API_URL") as caught:
            client.status("0" * 32)
        assert isinstance(caught.value, HubError)


def test_ones_turn_is_waited_for(tmp_path: Path, clock: ReplayClock, hourly: pl.DataFrame) -> None:
    with (
        open_hub(tmp_path, clock, api_rate_write="2/second", quota_conditions=5) as made,
        made.serving() as hub,
        HubClient(hub.url, hub.key()) as client,
    ):
        hub.store.candles.upsert(hourly.head(10))
        assert len({client.register_condition(TEXT) for _ in range(5)}) == 1
        with pytest.raises(LimitReached, match="new conditions a day") as caught:
            client.register_many([f"BTCUSDT 1h: rsi < {value}" for value in range(40, 50)])
        assert caught.value.retry_after_s
