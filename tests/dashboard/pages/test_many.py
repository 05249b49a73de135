"""Every page on thousands of conditions, on an empty store, and with the store away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.big_store import BigStore, fill
from registry.store.files.file_store import FileStore

OpenApp = Callable[..., AppTest]
SIZE = BigStore(100_000, 20_000, 5_000, 20_000, users=200, instruments=50, candles=300)
PAGES = ("savings", "conditions", "condition", "health", "ticks", "explore")
MOST_ROWS = 1_000
"""What a page lists at most in one table, however much there is; the rest is said, or on another of its pages."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 5,000 conditions and 100,000 triggers. Closed: read it only."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "store").mkdir()
    fill(folder / "store", SIZE)
    FileStore(folder / "store").close()
    return folder


def opened(open_app: OpenApp, folder: Path, page: str) -> AppTest:
    """A page, or one condition of the big store."""
    if page == "condition":
        return open_app(folder, "conditions", id=SIZE.condition(0).id)
    return open_app(folder, page)


@pytest.mark.parametrize("page", PAGES)
def test_thousands_of_conditions_are_shown_in_parts(open_app: OpenApp, many: Path, page: str) -> None:
    app = opened(open_app, many, page)
    assert not app.exception
    assert not app.error
    assert app.metric or app.dataframe
    assert max((len(frame.value) for frame in app.dataframe), default=0) <= MOST_ROWS
    shown = {metric.label: metric.value.replace(",", "") for metric in app.metric}
    said = " ".join(str(caption.value) for caption in app.caption)
    match page:
        case "savings":
            assert (shown["Unique conditions"], shown["Triggers"]) == ("5000", "100000")
        case "conditions":
            assert "1 to 25 of 5,000 that match; 5,000 conditions in all" in said
        case "condition":
            assert "not listed." in said or int(shown["Triggers"]) <= MOST_ROWS
        case "health":
            assert shown["To be judged"] == "5000"


@pytest.mark.parametrize("page", [*PAGES[:2], *PAGES[3:], "my_bots"])
def test_an_empty_store_names_the_next_command(open_app: OpenApp, empty: Path, page: str) -> None:
    app = open_app(empty, page)
    assert not app.exception
    assert [code.value for code in app.code if "hub " in code.value] or [
        warning.value for warning in app.warning if "`hub up`" in warning.value
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_store_that_is_away_is_said_and_asked_again(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("HUB_STORE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HUB_STORE_TOKEN", "a token that nobody looks at")
    app = opened(open_app, tmp_path, page)
    assert not app.exception
    assert "cannot be read" in app.error[0].value
    assert [button.label for button in app.button if button.key == "again"] == ["Try again"]
    assert not app.dataframe
