"""The page of one condition: who waits for it, what else is judged on its candles, and why it fires or does not."""

from collections.abc import Callable

import polars as pl
from streamlit.testing.v1 import AppTest

from analysis.explain import explain
from analysis.explain_report import render
from analysis.standing import standing_of
from candles.epochs import Epochs
from common.timeframes import from_ms, to_ms
from registry.conditions import Condition
from registry.store import open_store
from tests.dashboard.conftest import BREAKOUT, CROSSING, UNWANTED, Judged

OpenApp = Callable[..., AppTest]


def text(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption])


def opened_explanation(app: AppTest, judged: Judged) -> AppTest:
    """The page with its explanation opened, as a click on it does."""
    app.session_state[f"why-{judged.ids[CROSSING]}-None"] = True
    return app.run()


def test_it_says_how_many_bots_act_at_the_same_moment(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    assert not app.exception
    assert "**Waits for it** 3 bots of 3 users at the same moment (3 dca)" in text(app)
    assert "**Waits for it** no bot" in text(open_app(judged.folder, "conditions", id=judged.ids[UNWANTED]))


def test_other_conditions_on_the_same_candles_are_listed_with_links(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    others = pl.DataFrame(app.dataframe[-1].value)
    assert others["condition"].to_list() == [text.partition(": ")[2] for text in (BREAKOUT, UNWANTED)]
    assert others["link"].to_list() == [f"conditions?id={judged.ids[each]}" for each in (BREAKOUT, UNWANTED)]


def test_why_it_fires_is_worked_out_once_somebody_asks(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    assert not app.code
    newest = app.selectbox(key=f"explained-{judged.ids[CROSSING]}-None").value
    opened_explanation(app, judged)
    assert not app.exception
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        condition, epochs = Condition.parse(CROSSING), Epochs(store)
        candles, calendars = epochs.up_to(condition, newest), epochs.calendars(condition, newest)
        said = explain(condition, candles, calendars, at_ms=newest)
        expected = render(said, standing_of(store, condition, said.close_time))
    assert app.code[0].value == "\n".join(expected)


def test_times_are_in_the_zone_of_the_viewer(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    app.selectbox(key="zone").set_value("Asia/Tokyo").run()
    assert not app.exception
    newest_ms = to_ms(max(pl.DataFrame(app.dataframe[0].value)["closed"].to_list()))
    assert "times are in Asia/Tokyo" in text(app)
    # Nine hours ahead of UTC.
    shown = app.selectbox(key=f"explained-{judged.ids[CROSSING]}-None").options
    assert f"{from_ms(newest_ms + 9 * 3_600_000):%Y-%m-%d %H:%M}" in shown


def test_a_condition_that_fires_again_lists_its_newest_trigger(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    listed = pl.DataFrame(app.dataframe[0].value)["closed"].to_list()
    assert listed == sorted(listed, reverse=True)
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        stored = store.triggers.of(judged.ids[CROSSING], 1_000)
    assert [to_ms(each) for each in listed] == stored["close_time"].dt.epoch("ms").to_list()
