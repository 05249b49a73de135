"""The page Savings: what its money is worth."""

from collections.abc import Callable

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analysis.savings import summarise
from registry.store import open_store
from tests.dashboard.conftest import Judged

OpenApp = Callable[..., AppTest]
TIMES_IN_30_DAYS = 720 / 72
"""The ticks of the store are 72, one an hour, and were judged as their candles closed."""


def test_money_goes_on_at_the_rate_of_the_time_that_was_judged(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder)
    assert not app.exception
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        savings = summarise(store)
    hours = (savings.modelled_isolated_s - savings.modelled_shared_s) / 3600
    shown = next(metric for metric in app.metric if metric.label == "Saved, modelled")
    assert float(shown.value) == round(hours * 0.04, 4)
    monthly = shown.delta.partition("; ")[2].partition(" in 30 days")[0]
    assert float(monthly) == round(hours * 0.04 * TIMES_IN_30_DAYS, 4)


def test_money_follows_the_price_that_its_viewer_sets(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder)

    def amounts() -> list[float]:
        return [float(metric.value) for metric in app.metric if metric.label.startswith("Saved, ")]

    before = amounts()
    app.number_input(key="price").set_value(4.0).run()
    assert not app.exception
    assert len(before) == 2
    assert amounts() == pytest.approx([100 * each for each in before], abs=0.01)


def test_what_users_would_evaluate_is_attributed_to_them(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder)
    (table,) = (frame.value for frame in app.dataframe if "evaluations" in frame.value.columns)
    users = pl.DataFrame(table).select("user", "bots", "subscriptions", "evaluations").rows()
    # All of them wait for candles of an hour.
    assert users == [(f"secret-user-{user}", 1, 4 - user, 24.0 * (4 - user)) for user in range(3)]
