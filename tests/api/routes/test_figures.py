"""Figures for operators: one figure is the same in the API, in the metrics and in the store, whatever the range."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from analysis.savings import summarise
from registry.store.parts.ticks import PlanSize, RunRecord, UnitCosts
from tests.api.served_hub import NOON_MS, RSI, Hub

HOUR = 3_600_000
ROUTES = ("/savings", "/savings/history", "/savings/users", "/conditions")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, sample: pl.DataFrame) -> Iterator[Hub]:
    """Two conditions, three subscriptions of two users, and three ticks, an hour apart."""
    folder: Path = tmp_path_factory.mktemp("figures")
    with Hub(folder, sample.filter(pl.col("timeframe") == "1h")) as served:
        ann, bob = served.as_user("ann"), served.as_user("bob")
        first = ann.post("/conditions/register", json=RSI).json()["condition_id"]
        second = ann.post("/conditions/register", json={**RSI, "value": 40}).json()["condition_id"]
        for client, bot, condition_id in ((ann, "a", first), (ann, "b", second), (bob, "a", first)):
            body = {"bot_id": bot, "condition_id": condition_id, "bot_type": "dca", "bot_config": {}}
            assert client.post("/conditions/subscribe", json=body).status_code in (200, 201)
        for number in range(1, 4):
            served.fire(first)
            served.store.ticks.record_run(
                RunRecord(f"run {number}", "1h", NOON_MS + number * HOUR, 1, 1, 7, 8, 9, PlanSize(2, 1, 1))
            )
        served.store.ticks.record_unit_costs(UnitCosts(10, 1000.0, 200.0, 30.0))
        yield served


@pytest.fixture(scope="module")
def metrics(hub: Hub) -> dict[tuple[str, ...], float]:
    text = hub.as_user("ops", "operator").get("/metrics").text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("route", ROUTES)
def test_figures_are_for_operators(hub: Hub, route: str) -> None:
    assert hub.as_user("ann").get(route).status_code == 403


def test_a_figure_is_the_same_wherever_it_is_read(hub: Hub, metrics: dict[tuple[str, ...], float]) -> None:
    operator = hub.as_user("ops", "operator")
    answer, total = operator.get("/savings").json(), summarise(hub.store)
    assert answer["ticks"] == total.ticks == metrics[("hub_ticks_total",)] == 3
    assert answer["evaluations"]["done"] == total.evaluations == metrics[("hub_evaluations_total",)]
    avoided = answer["evaluations"]["isolated"] - answer["evaluations"]["done"]
    assert avoided == metrics[("hub_redundant_evaluations_avoided_total",)]
    for basis in ("measured", "modelled"):
        told = answer[basis]
        assert told["isolated_s"] - told["shared_s"] == pytest.approx(metrics[("hub_compute_seconds_saved", basis)])
        assert 100 * told["saved_share"] == pytest.approx(metrics[("hub_cost_reduction_percent", basis)])
    assert answer["unit_costs"] == {"sample": 10, "load_us": 1000.0, "indicator_us": 200.0, "check_us": 30.0}
    listed = operator.get("/conditions").json()
    assert listed["matching"] == hub.store.registry.totals()["conditions"] == metrics[("hub_unique_conditions",)] == 2
    assert metrics[("hub_subscribed_conditions",)] == 2
    assert metrics[("hub_unique_indicators",)] == metrics[("hub_unique_series",)] == 1
    users = operator.get("/savings/users").json()["items"]
    assert sum(user["subscriptions"] for user in users) == metrics[("hub_active_subscriptions",)] == 3
    assert len(users) == metrics[("hub_users",)]
    assert sum(user["bots"] for user in users) == metrics[("hub_bots",)]


def test_a_range_has_what_was_judged_in_it(hub: Hub) -> None:
    operator = hub.as_user("ops", "operator")
    ranges: tuple[dict[str, int], ...] = (
        {},
        {"until": NOON_MS + 2 * HOUR},
        {"since": NOON_MS + 2 * HOUR + 7},
        {"since": NOON_MS + 9 * HOUR},
    )
    assert [operator.get("/savings", params=each).json()["ticks"] for each in ranges] == [3, 1, 2, 0]
    history = operator.get("/savings/history", params={"by": "hour"}).json()
    assert [(each["start"], each["ticks"]) for each in history["periods"]] == [
        (NOON_MS + number * HOUR, 1) for number in range(1, 4)
    ]
    assert [each["subscribed"] for each in history["sizes"]] == [2, 2, 2]
    whole = operator.get("/savings").json()
    assert sum(each["loads"]["isolated"] for each in history["periods"]) == whole["loads"]["isolated"]
    assert sum(each["shared_s"] for each in history["periods"]) == pytest.approx(whole["measured"]["shared_s"])


def test_conditions_are_listed_page_by_page(hub: Hub) -> None:
    operator = hub.as_user("ops", "operator")
    first, second = operator.get("/conditions").json()["items"]
    assert (first["subscribers"], first["triggers"], first["last_trigger"]) == (2, 3, NOON_MS + 3 * HOUR)
    assert (second["subscribers"], second["state"], second["last_trigger"]) == (1, "judged", None)
    page = operator.get("/conditions", params={"limit": 1, "offset": 1}).json()
    assert page == {"matching": 2, "items": [second]}
    assert operator.get("/conditions", params={"search": "40"}).json()["items"] == [second]
    assert operator.get("/conditions", params={"state": ["err", "retired"]}).json()["matching"] == 0
    assert operator.get("/conditions", params={"order": "price"}).status_code == 422


def test_conditions_of_a_series_are_counted_again_when_there_are_more(hub: Hub) -> None:
    operator = hub.as_user("ops", "operator")

    def counted() -> float:
        lines = operator.get("/metrics").text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith("hub_conditions_per_series{"))

    before = counted()
    assert hub.as_user("ann").post("/conditions/register", json={**RSI, "value": 55}).status_code in (200, 201)
    assert counted() == before + 1
