"""The dashboard visits itself before anybody else does."""

from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from common.supervised import free_port
from dashboard import warming
from dashboard.warming import PAGES, visit
from registry.store.files.file_store import FileStore
from tests.dashboard.browsing import served


def test_every_page_is_drawn_and_others_are_told_from_them(tmp_path: Path) -> None:
    FileStore(tmp_path / "store").close()
    with served(tmp_path, tmp_path / "log") as url:
        assert visit(url.replace("http", "ws"), [*PAGES, "nowhere"]) == list(PAGES)


def test_what_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "_START_S", 0.0)
    with pytest.raises((OSError, WebSocketException)):
        visit(f"ws://127.0.0.1:{free_port()}", PAGES)
