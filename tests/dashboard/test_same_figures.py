"""A figure on a page is the same figure from the API and from ``/metrics``: all come from the same store operations."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamlit.testing.v1 import AppTest

from tests.api.served_hub import Hub
from tests.dashboard.conftest import CROSSING, Judged
from tests.registry.store.serving import TOKEN, serving

OpenApp = Callable[..., AppTest]
Samples = dict[tuple[str, str], float]


def metrics_of(text: str) -> Samples:
    """(name, basis or nothing) -> value, of all samples without other labels."""
    return {
        (sample.name, sample.labels.get("basis", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.keys() <= {"basis"}
    }


def of_conditions(text: str) -> list[float]:
    """Subscribers of the most popular conditions."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return [sample.value for sample in families["hub_popular_condition_subscribers"].samples]


def figures_of(app: AppTest) -> dict[str, str]:
    """Label -> value of a page's figures."""
    assert not app.exception
    return {metric.label: metric.value for metric in app.metric}


def number(text: str) -> float:
    return float(text.replace(",", "").rstrip("%"))


def test_pages_api_and_metrics_have_the_same_figures(
    judged: Judged, open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(judged.folder, folder)
    with Hub(folder) as hub, serving(hub.store) as url:
        monkeypatch.setenv("HUB_STORE_URL", url)
        monkeypatch.setenv("HUB_STORE_TOKEN", TOKEN)
        operator = hub.as_user("root", "operator")
        samples = metrics_of(operator.get("/metrics").text)

        savings_page = open_app(folder)
        savings = figures_of(savings_page)
        for label, name in {
            "Users": "hub_users",
            "Bots": "hub_bots",
            "Subscriptions": "hub_active_subscriptions",
            "Unique conditions": "hub_unique_conditions",
            "Unique indicators": "hub_unique_indicators",
            "Series": "hub_unique_series",
            "Triggers": "hub_triggers_total",
            "Evaluations avoided": "hub_redundant_evaluations_avoided_total",
        }.items():
            assert number(savings[label]) == samples[name, ""], label
        assert number(savings["Unique indicators"]) > 0
        shares = [number(metric.value) for metric in savings_page.metric if metric.label == "Saved"]
        assert shares == pytest.approx(
            [samples["hub_cost_reduction_percent", basis] for basis in ("measured", "modelled")], abs=0.005
        )

        saved_s = {basis: samples["hub_compute_seconds_saved", basis] for basis in ("measured", "modelled")}
        for basis, seconds in saved_s.items():
            core_hours = next(each.delta for each in savings_page.metric if each.label == f"Saved, {basis}").split()[0]
            assert number(core_hours) == pytest.approx(seconds / 3600, abs=0.005), basis
        popular = savings_page.dataframe[2].value
        assert popular["subscribers"].tolist() == sorted(of_conditions(operator.get("/metrics").text), reverse=True)

        ticks = figures_of(open_app(folder, "ticks"))
        assert number(ticks["Ticks"]) == samples["hub_ticks_total", ""]
        assert number(ticks["Triggers"]) == samples["hub_triggers_total", ""]

        health = open_app(folder, "health")
        states = figures_of(health)
        assert number(states["Health err"]) == samples["hub_conditions_in_error", ""]
        assert number(states["State retired"]) == samples["hub_conditions_retired", ""]
        conditions = sum(number(states[f"Health {name}"]) for name in ("ok", "unknown", "err", "stale"))
        conditions += number(states["State idle"]) + number(states["State retired"])
        assert conditions == samples["hub_unique_conditions", ""]
        answers = "\n".join(str(text.value) for text in health.markdown)
        for name, words in {
            "hub_unique_conditions": r"registered\?\* ([\d,]+) conditions",
            "hub_active_subscriptions": r"subscription active\?\* ([\d,]+) are",
            "hub_bots": r"are, of ([\d,]+) bots",
            "hub_ticks_total": r"judged\?\* ([\d,]+) ticks",
        }.items():
            told = re.search(words, answers)
            assert told is not None, words
            assert number(told[1]) == samples[name, ""], name
        hit_rate = re.search(r"hit rate\*: (-?[0-9.]+)%", "\n".join(str(text.value) for text in health.markdown))
        assert hit_rate is not None, [text.value for text in health.markdown]
        assert float(hit_rate[1]) == pytest.approx(100 * samples["hub_cache_hit_rate", ""], abs=0.005)

        status = operator.get(f"/conditions/{judged.ids[CROSSING]}/status").json()
        facts = figures_of(open_app(folder, "conditions", id=judged.ids[CROSSING]))
        assert (number(facts["Triggers"]), number(facts["Subscribers"])) == (status["triggers"], status["subscribers"])
        row = open_app(folder, "conditions").dataframe[0].value.set_index("id").loc[judged.ids[CROSSING]]
        assert (row["triggers"], row["subscribers"]) == (status["triggers"], status["subscribers"])

        items = operator.get(f"/conditions/{judged.ids[CROSSING]}/triggers").json()["items"]
        listed = pl.DataFrame(open_app(folder, "conditions", id=judged.ids[CROSSING]).dataframe[0].value)
        assert sorted(listed["closed"].dt.epoch("ms")) == sorted(each["close_time"] for each in items)

        preview = operator.post("/conditions/preview", json={"condition": CROSSING}).json()
        explored = figures_of(open_app(folder, "explore", when=CROSSING))
        assert (number(explored["Triggers"]), number(explored["Candles"])) == (preview["triggers"], preview["candles"])
