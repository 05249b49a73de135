"""The pages on real small stores, run as Streamlit runs them."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analysis.savings import summarise
from common.counted import counted
from registry.store import open_store
from registry.store.files.file_store import FileStore
from tests.dashboard.conftest import Judged
from tests.flows.recorded_prefect import RecordedPrefect, failed_run, recorded, worker
from tests.registry.store.serving import TOKEN, serving

OpenApp = Callable[..., AppTest]

CROSSING = "BTCUSDT 1h: rsi(14) crosses_below 30"
NEVER = "ETHUSDT 1h: close > 1000000"
UNWANTED = "BTCUSDT 1h: atr(14) > atr(100)"


def test_savings_shows_the_figures_of_the_store(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder)
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        savings = summarise(store)
        triggers = store.triggers.last_seq()
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert _number(shown["Users"]) == 3
    assert _number(shown["Bots"]) == 3
    assert _number(shown["Subscriptions"]) == 9
    assert _number(shown["Unique conditions"]) == 5
    assert _number(shown["Series"]) == 2
    assert _number(shown["Triggers"]) == triggers
    assert _number(shown["Evaluations avoided"]) == savings.isolated_evaluations - savings.evaluations
    assert _number(shown["Candle loads avoided"]) == savings.isolated_loads - savings.loads
    assert [chart.key for chart in app.get("echarts_chart")] == ["counted", "registered", "work", "stages"]
    # Measured and modelled stand apart, each with its own share.
    assert [metric.label for metric in app.metric].count("Saved") == 2
    assert "Measured" in _text(app)
    assert "Modelled" in _text(app)
    assert "99.36%" in _text(app)


def test_health_says_what_is_wrong_and_how_far_it_is_judged(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "health")
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Service"] == "not running"
    assert shown["Workers online"] == "0"
    faults = " ".join(warning.value for warning in app.warning)
    assert "`hub up` starts it" in faults
    assert "No worker is online" in faults
    timeframes, waiting, candles = (frame.value for frame in app.dataframe)
    assert timeframes["timeframe"].tolist() == ["1h"]
    assert timeframes["waiting"].tolist() == [2]
    assert "its source does not deliver" in waiting["what will happen"][0]
    assert candles[["exchange", "current", "series"]].values.tolist() == [["BINANCE", 0, 2]]


def test_health_shows_failed_runs_and_is_quiet_about_what_works(
    judged: Judged, open_app: OpenApp, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(judged.folder, folder)
    with recorded(RecordedPrefect([worker()], late=1, failed=[failed_run(1, "StoreUnreachable: x")]), folder):
        app = open_app(folder, "health")
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Workers online"], shown["Runs failed, 24 h"]) == ("1", "1")
    assert "StoreUnreachable: x" in app.dataframe[-1].value["reason"][0]
    faults = " ".join(warning.value for warning in app.warning)
    assert "1 run is late" in faults
    assert "No worker is online" not in faults


def test_pages_are_the_same_through_the_owner_of_the_store(
    judged: Judged, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = ("savings", "conditions")
    on_files = [_text(open_app(judged.folder, page)) for page in pages]
    assert all(on_files)
    with FileStore(judged.folder / "store") as store, serving(store) as url:
        monkeypatch.setenv("HUB_STORE_URL", url)
        monkeypatch.setenv("HUB_STORE_TOKEN", TOKEN)
        assert [_text(open_app(judged.folder, page)) for page in pages] == on_files


def test_the_parts_of_what_was_avoided_add_up(judged: Judged, open_app: OpenApp) -> None:
    table = pl.DataFrame(open_app(judged.folder).dataframe[0].value)
    assert table.height == 3
    for row in table.iter_rows(named=True):
        avoided = row["equal conditions"] + row["indicators and series"]
        assert row["isolated bots"] - avoided == row["done by the hub"]


def test_conditions_are_sorted_by_subscribers(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions")
    assert not app.exception
    table = pl.DataFrame(app.dataframe[0].value)
    assert table["subscribers"].to_list() == [3, 3, 2, 1, 0]


def test_conditions_are_searched_by_words_of_their_text_and_by_id(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions")
    app.text_input(key="search").set_value("RSI eth").run()
    assert pl.DataFrame(app.dataframe[0].value)["symbol"].to_list() == ["BINANCE:ETHUSDT"]
    app.text_input(key="search").set_value(judged.ids[CROSSING][:8]).run()
    assert pl.DataFrame(app.dataframe[0].value)["condition"].to_list() == ["rsi(14) crosses_below 30"]
    app.text_input(key="search").set_value("nothing has this text").run()
    assert not app.exception
    assert app.dataframe[0].value.empty


def test_conditions_are_filtered_by_symbol_and_timeframe(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions")
    app.multiselect(key="symbols").set_value(["BINANCE:BTCUSDT"]).run()
    app.button_group(key="timeframes").set_value(["1h"]).run()
    assert not app.exception
    assert pl.DataFrame(app.dataframe[0].value).height == 3


def test_a_link_opens_one_condition(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    assert not app.exception
    text = _text(app)
    assert judged.ids[CROSSING] in text
    assert "BINANCE:BTCUSDT 1h: rsi(14, close) crosses_below 30" in text
    assert "(momentary)" in text
    assert "rsi=2" in text
    assert len(app.get("echarts_chart")) == 1
    triggers = pl.DataFrame(app.dataframe[0].value)
    assert triggers.columns == ["closed", "price", "rsi(14)", "settled", "late"]
    assert triggers.height > 0
    assert (triggers["rsi(14)"] < 30).all()
    assert triggers.height == _number({metric.label: metric.value for metric in app.metric}["Triggers"])


def test_only_the_newest_triggers_are_listed_and_the_page_says_so(
    judged: Judged, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = pl.DataFrame(open_app(judged.folder, "conditions", id=judged.ids[CROSSING]).dataframe[0].value)
    assert everything.height > 1
    monkeypatch.setattr("dashboard.data.conditions._TRIGGERS_SHOWN", 1)
    app = open_app(judged.folder, "conditions", id=judged.ids[CROSSING])
    listed = pl.DataFrame(app.dataframe[0].value)
    assert listed["closed"].to_list() == everything["closed"].sort(descending=True).head(1).to_list()
    assert f"{counted(everything.height - 1, 'older trigger is', 'older triggers are')} not listed." in _text(app)
    assert {metric.label: metric.value for metric in app.metric}["Triggers"] == str(everything.height)


def test_what_was_not_measured_is_not_claimed(judged: Judged, open_app: OpenApp, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(judged.folder, folder)
    with duckdb.connect(str(folder / "store" / "registry.duckdb")) as connection:
        connection.execute("DELETE FROM unit_costs")
    app = open_app(folder)
    assert not app.exception
    text = _text(app)
    assert "has not been measured on this store. The nightly deployment `upkeep` measures it" in text
    assert "They have not been measured on this store yet." in text
    labels = [metric.label for metric in app.metric]
    # What is modelled is still there, and nothing measured is said to be saved.
    assert ("Saved, measured" in labels, "Saved, modelled" in labels) == (False, True)
    assert labels.count("Saved") == 1


@pytest.mark.parametrize("text", [NEVER, UNWANTED])
def test_every_condition_can_be_opened(judged: Judged, open_app: OpenApp, text: str) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[text])
    assert not app.exception
    assert len(app.get("echarts_chart")) == 1


def test_a_condition_that_has_not_fired_says_so(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id=judged.ids[NEVER])
    assert any("has not fired up to 2024-08-07 00:00" in info.value for info in app.info)
    assert "hub tick 1h" in [code.value for code in app.code]


def test_an_unknown_id_says_so_and_leads_back(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "conditions", id="f" * 32)
    assert "No condition has the id" in app.warning[0].value
    app.button(key="back").click().run()
    assert not app.exception
    assert app.dataframe


def test_no_user_bot_or_configuration_is_shown(judged: Judged, open_app: OpenApp) -> None:
    pages: tuple[tuple[str, dict[str, str]], ...] = (
        *((page, {}) for page in ("savings", "conditions", "health", "ticks")),
        ("conditions", {"id": judged.ids[CROSSING]}),
        ("explore", {"when": CROSSING}),
    )
    for page, query in pages:
        app = open_app(judged.folder, page, **query)
        assert _text(app)
        assert app.dataframe or app.metric
        everything = "".join([_text(app), *(frame.value.to_csv() for frame in app.dataframe)])
        # Operators see there whose bots want how much.
        allowed = "secret-user" if page == "savings" else "nobody"
        assert "secret" not in everything.replace(allowed, "")


@pytest.mark.parametrize("page", ["savings", "conditions"])
def test_a_missing_store_names_the_next_command(open_app: OpenApp, tmp_path: Path, page: str) -> None:
    app = open_app(tmp_path / "nothing", page)
    assert not app.exception
    assert "no store yet" in app.info[0].value
    assert app.code[0].value == "make demo"


@pytest.mark.parametrize("page", ["savings", "conditions"])
def test_an_empty_store_names_the_next_command(open_app: OpenApp, empty: Path, page: str) -> None:
    app = open_app(empty, page)
    assert not app.exception
    assert "No conditions yet" in app.info[0].value
    assert "hub conditions register" in app.code[0].value


def test_a_store_without_ticks_names_the_next_command(open_app: OpenApp, without_ticks: Path) -> None:
    app = open_app(without_ticks)
    assert not app.exception
    assert "No ticks yet" in app.info[0].value
    assert app.code[0].value == "hub tick 1h"


def test_a_condition_without_ticks_shows_its_candles(open_app: OpenApp, without_ticks: Path, judged: Judged) -> None:
    app = open_app(without_ticks, "conditions", id=judged.ids[CROSSING])
    assert not app.exception
    assert "has not been judged yet" in app.info[0].value
    assert len(app.get("echarts_chart")) == 1


@pytest.mark.parametrize("page", ["savings", "conditions"])
def test_a_locked_store_says_who_owns_it(open_app: OpenApp, empty: Path, page: str) -> None:
    with _owned(empty / "store") as pid:
        app = open_app(empty, page)
        assert not app.exception
        assert "Another process is writing" in app.warning[0].value
        assert str(pid) in app.warning[0].value
    app.button(key="again").click().run()
    assert "No conditions yet" in app.info[0].value


def test_an_unusable_setting_is_named(open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_REDIS_PORT", "no number")
    app = open_app(tmp_path)
    assert not app.exception
    assert "HUB_REDIS_PORT" in app.error[0].value


def test_the_app_stays_on_this_machine_and_has_both_themes() -> None:
    config = tomllib.loads((Path(__file__).parents[3] / ".streamlit/config.toml").read_text())
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "localhost"
    assert {"light", "dark"} <= set(config["theme"])


@contextmanager
def _owned(folder: Path) -> Iterator[int]:
    """Another process that owns the store; its process id."""
    code = (
        "import sys; from pathlib import Path; from registry.store.files.file_store import FileStore\n"
        "with FileStore(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.stdin.close()
        process.wait(timeout=30)


def _text(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.subheader, *app.info, *app.warning, *app.error, *app.code]
    return "\n".join(str(element.value) for element in shown if not str(element.value).startswith("Drawn at"))


def _number(value: str) -> int:
    return int(value.replace(",", ""))
