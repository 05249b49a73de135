"""Preview, explain, status and the lists of triggers agree with the engine."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import analysis
from registry.conditions import Condition
from tests.api.served_hub import NOON_MS, RSI, Hub, a_hub, at, id_of
from tests.waiting import wait_for

TRIED = "BTCUSDT 1h: rsi(14) crosses_below 30"
CONDITIONS = [
    RSI,
    "ETHUSDT 5m: ema(12) crosses_above ema(26) and close > sma(200)",
    "BTCUSDT 4h: every(close < bbands(20, 2).lower)",
    "SOLUSDT 1h: rsi(14)@BTCUSDT < 40 and close rises_by 2% within 3 bars",
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_a_preview_counts_what_a_scan_counts(hub: Hub, sample: pl.DataFrame, condition: object) -> None:
    scanned = analysis.scan([Condition.parse(condition)], sample)  # type: ignore[arg-type]
    body = {"condition": condition, "start": 0, "last": 1000}
    answer = hub.as_user("insight-ann").post("/conditions/preview", json=body).json()
    assert answer["triggers"] == scanned.height > 0
    newest = scanned.tail(1000).reverse()
    assert [one["close_time"] for one in answer["last"]] == newest["close_time"].dt.epoch("ms").to_list()
    assert [one["price"] for one in answer["last"]] == newest["price"].to_list()


def test_a_preview_of_a_span(hub: Hub, sample: pl.DataFrame) -> None:
    closes = analysis.scan([RSI], sample)["close_time"].dt.epoch("ms").to_list()
    start, end = closes[3], closes[10]
    body = {"condition": RSI, "start": start, "end": end, "last": 2}
    answer = hub.as_user("insight-ann").post("/conditions/preview", json=body).json()
    assert answer["triggers"] == 7
    assert [one["close_time"] for one in answer["last"]] == [closes[10], closes[9]]
    assert answer["candles"] == (end - start) // 3_600_000


def test_a_preview_registers_nothing(hub: Hub) -> None:
    ann, condition = hub.as_user("insight-ann"), "BTCUSDT 1h: close > 77.125"
    assert ann.post("/conditions/preview", json={"condition": condition}).json()["registered"] is False
    assert ann.get(f"/conditions/{id_of(condition)}/status").status_code == 404


def test_a_preview_counts_as_a_try_and_names_nobody(tmp_path: Path) -> None:
    texts = [f"BTCUSDT 1h: close > {level}.375" for level in range(101, 104)]
    series = Condition.parse(texts[0]).series
    with a_hub(tmp_path) as hub:
        trials, ann = hub.store.trials, hub.as_user("ann")
        for text in [*texts, *texts]:
            answer = ann.post("/conditions/preview", json={"condition": text})
            assert "trials" not in answer.text
        wait_for(lambda: trials.count(series, []) == 3, "the previews to be counted")
        refused = ann.post("/conditions/preview", json={"condition": "BTCUSDT 1m: close > 2"})
        assert refused.status_code == 409
        assert trials.count(Condition.parse("BTCUSDT 1m: close > 2").series, []) == 0


def test_what_has_no_candles_cannot_be_previewed(hub: Hub) -> None:
    answer = hub.as_user("insight-ann").post("/conditions/preview", json={"condition": "BTCUSDT 1m: close > 1"})
    assert answer.status_code == 409
    assert "no candles of BINANCE:BTCUSDT 1m" in answer.json()["detail"]


def test_explain_finds_the_candle_that_fires(hub: Hub, sample: pl.DataFrame) -> None:
    ann = hub.as_user("insight-ann")
    # Of its own: the hub that tests share shows a condition as whoever was first wrote it.
    condition = {**RSI, "period": 15}
    ann.post("/conditions/register", json=condition)
    fired = analysis.scan([condition], sample)["close_time"].dt.epoch("ms").to_list()[-1]
    answer = ann.get(f"/conditions/{id_of(condition)}/explain", params={"at": fired}).json()
    assert (answer["verdict"], answer["fires"], answer["close_time"]) == ("fires", True, fired)
    after = ann.get(f"/conditions/{id_of(condition)}/explain", params={"at": fired + 3_600_000}).json()
    assert after["fires"] is False
    assert after["tree"]["readings"][0]["before"] == answer["tree"]["readings"][0]["now"]


def test_an_explanation_shows_the_condition_as_it_was_written(hub: Hub) -> None:
    """A move within many candles is one part, and not the comparison of each that it reduces to."""
    ann = hub.as_user("insight-ann")
    written = {"condition": "BTCUSDT 1h: close rises_by 3% within 200 bars and during(08:00-16:00)"}
    condition_id = ann.post("/conditions/register", json=written).json()["condition_id"]
    answer = ann.get(f"/conditions/{condition_id}/explain").json()
    assert answer["condition"] == f"BINANCE:{written['condition']}"
    move, window = answer["tree"]["children"]
    assert (move["text"], len(move["distances"])) == ("close rises_by 3% within 200 bars", 1)
    assert window["text"].startswith("during(08:00-16:00): it opens on ")


def test_triggers_by_page_and_since(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        ann, bob = hub.as_user("ann"), hub.as_user("bob")
        mine, other = (
            ann.post("/conditions/register", json={"condition": f"BTCUSDT 1h: close > {level}"}).json()["condition_id"]
            for level in (1, 2)
        )
        ann.post("/conditions/subscribe", json={"bot_id": "b", "condition_id": mine, "bot_type": "dca"})
        seqs = hub.fire(mine, other, count=5)
        pages, cursor = [], ""
        while cursor is not None:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = bob.get(f"/conditions/{other}/triggers", params=query).json()
            pages += [item["seq"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert pages == seqs[1::2][::-1]
        items, after = [], 0
        for _ in range(10):
            page = ann.get("/triggers", params={"after_seq": after, "limit": 2}).json()
            items += page["items"]
            after = page["after_seq"]
            if not page["more"]:
                break
        assert [item["seq"] for item in items] == seqs[::2]
        assert after == seqs[-1]
        assert bob.get("/triggers").json() == {"items": [], "after_seq": seqs[-1], "more": False}
        everything = hub.as_user("root", "operator").get("/triggers", params={"all": "true"}).json()["items"]
        assert [item["seq"] for item in everything] == seqs
        status = ann.get(f"/conditions/{mine}/status").json()
        assert (status["triggers"], status["last_seq"], status["active"]) == (5, seqs[-2], True)
        assert status["last_trigger"] == items[-1]["close_time"] == status["judged_until"]


def test_triggers_from_before_a_subscription_are_not_delivered(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        ann = hub.as_user("ann")
        condition_id = ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()[
            "condition_id"
        ]
        hub.fire(condition_id, count=2)
        ann.post("/conditions/subscribe", json={"bot_id": "b", "condition_id": condition_id, "bot_type": "dca"})
        seqs = hub.fire(condition_id, count=2)
        assert [item["seq"] for item in ann.get("/triggers").json()["items"]] == seqs
        assert len(ann.get(f"/conditions/{condition_id}/triggers").json()["items"]) == 4


def test_the_catalogue(hub: Hub) -> None:
    ann = hub.as_user("insight-ann")
    rsi = next(one for one in ann.get("/indicators").json()["items"] if one["name"] == "rsi")
    atr = next(one for one in ann.get("/indicators").json()["items"] if one["name"] == "atr")
    assert (rsi["takes_source"], rsi["outputs"][0]["may_be_source"]) == (True, True)
    assert (atr["takes_source"], atr["outputs"][0]["may_be_source"]) == (False, False)
    assert rsi["parameters"] == [{"name": "period", "default": 14.0, "low": 2.0, "high": 1000.0, "whole": True}]
    names, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = ann.get("/instruments", params=query).json()
        names += [one["instrument"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == sorted(map(str, hub.store.candles.instruments()))
    hour = next(one for one in page["items"][-1]["series"] if one["timeframe"] == "1h")
    assert hour["candles"] == 5980


def test_a_bulk_preview_has_every_trigger_page_by_page(
    hub: Hub, sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["BTCUSDT 5m: every(close > open)", "ETHUSDT 5m: rsi(14) crosses_below 30", "BTCUSDT 5m: close < 1"]
    start, end = at("2024-08-01 00:00"), at("2024-08-11 00:00")
    monkeypatch.setattr("api.routes.insight._MOST_PREVIEWED_TRIGGERS", 400)
    ann = hub.as_user("insight-bulk")
    seen: list[list[int]] = [[] for _ in texts]
    until, pages = start, 0
    while until < end:
        page = ann.post("/conditions/preview/bulk", json={"conditions": texts, "start": until, "end": end}).json()
        assert until < page["until"] <= page["end"] == end
        until, pages = page["until"], pages + 1
        for number, preview in enumerate(page["previews"]):
            assert len(preview["open_times"]) == len(preview["close_times"]) == len(preview["settled"])
            seen[number] += preview["close_times"]
    assert pages > 3
    assert len(seen[0]) > 1000, "more than one preview lists"
    for text, closes in zip(texts, seen, strict=True):
        scanned = analysis.scan(text, sample)["close_time"].cast(pl.Int64)
        assert closes == scanned.filter((scanned > start) & (scanned <= end)).to_list()


def test_a_bulk_preview_counts_once_for_each_condition_and_names_the_one_that_is_wrong(tmp_path: Path) -> None:
    span = {"start": NOON_MS - 10 * 3_600_000, "end": NOON_MS}
    with a_hub(tmp_path, api_rate_compute="5/minute") as hub:
        ann = hub.as_user("ann")
        wrong = ann.post("/conditions/preview/bulk", json={"conditions": ["BTCUSDT 1h: close > 1", "nonsense"], **span})
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["pointer"] == "/conditions/1"
        bob = hub.as_user("bob")
        three = {"conditions": [f"BTCUSDT 1h: close > {number}" for number in range(1, 4)], **span}
        assert bob.post("/conditions/preview/bulk", json=three).headers["RateLimit-Remaining"] == "2"
        assert bob.post("/conditions/preview/bulk", json=three).status_code == 429


def test_a_backtest_is_that_of_an_analyst_and_counts_what_was_tried(tmp_path: Path, sample: pl.DataFrame) -> None:
    body: dict[str, Any] = {
        "condition": TRIED,
        "exit": "BTCUSDT 1h: rsi(14) > 70",
        "stop_percent": 5,
        "start": at("2024-02-01 00:00"),
    }
    with Hub(tmp_path, sample) as hub:
        una, other = hub.as_user("una"), hub.as_user("other")
        una.timeout = other.timeout = 120
        answer = una.post("/conditions/backtest", json=body).json()
        report = analysis.backtest(TRIED, sample, exit=body["exit"], stop_percent=5, start=body["start"])
        (expected,) = report.to_dict()["conditions"]
        for name in ("triggers", "trades", "total_return", "max_drawdown"):
            assert answer["figures"][name] == expected[name], name
        assert answer["figures"]["trials"] == 1
        again = una.post("/conditions/backtest", json={**body, "condition": TRIED.replace("30", "29")}).json()
        assert again["figures"]["trials"] == 2
        same = other.post("/conditions/backtest", json=body).json()
        assert same["figures"]["trials"] == 2, "what others tried counts, and each condition once"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"condition": "BTCUSDT 1h: rsj < 30"}, 422, "did you mean rsi"),
        ({"condition": TRIED, "exit": "ETHUSDT 1h: close > 1"}, 422, "must be of that series"),
        ({"condition": TRIED, "side": "buy"}, 422, "short"),
        ({"condition": TRIED, "stop_percent": -1}, 422, "stop_percent"),
    ],
)
def test_a_backtest_that_cannot_be_is_refused(hub: Hub, body: dict[str, Any], status: int, said: str) -> None:
    refused = hub.as_user("backtest-ned").post("/conditions/backtest", json=body)
    assert (refused.status_code, said in refused.text) == (status, True), refused.text
