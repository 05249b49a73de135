"""The main paths through the pages in a real browser, where Playwright and Chromium are installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.supervised import free_port
from tests.dashboard.conftest import CROSSING, Judged
from tests.waiting import wait_for

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 120_000
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def address(judged: Judged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of a judged store is, as `make dashboard` runs it."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    environment = {**clean, "HUB_DATA_DIR": str(judged.folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "streamlit", "run", "app_streamlit.py", "--server.port", str(port)]
    log_path = tmp_path_factory.mktemp("dashboard") / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def serves() -> bool:
        assert process.poll() is None, log_path.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_for(serves, "the dashboard", 120)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Open]:
    """Open an address in a new window and wait until it is drawn. Requests to other hosts fail the test."""
    foreign: list[str] = []
    contexts: list[Any] = []

    def note(request: Any) -> None:
        if not request.url.startswith((address, address.replace("http", "ws", 1), "data:", "blob:")):
            foreign.append(request.url)

    def opened(path: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", note)
        page.goto(f"{address}{path}")
        page.get_by_text("Drawn at").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []


def test_a_link_shows_the_page_that_its_sender_saw(open_page: Open, judged: Judged) -> None:
    page = open_page(f"/conditions?id={judged.ids[CROSSING]}&zone=Europe%2FBerlin&refresh=off")
    assert page.get_by_text("times are in Europe/Berlin").count() == 1
    assert page.get_by_text(judged.ids[CROSSING]).count() > 0
    page.locator("canvas").first.wait_for()


def test_the_landing_page_has_its_name_too(open_page: Open) -> None:
    page = open_page("/savings?refresh=off")
    assert page.get_by_role("heading", name="Savings").count() == 1
    assert page.get_by_text("Page not found").count() == 0


def test_it_is_drawn_again_by_itself(open_page: Open) -> None:
    page = open_page("/health?refresh=5+s")
    first = page.get_by_text("Drawn at").first.inner_text()
    page.wait_for_function(
        "first => !document.body.innerText.includes(first) && document.body.innerText.includes('Drawn at')", arg=first
    )


@pytest.mark.parametrize("path", ["/", "/conditions", "/health", "/ticks", "/explore"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_in_both_themes(open_page: Open, path: str, scheme: str) -> None:
    page = open_page(f"{path}?refresh=off", color_scheme=scheme, viewport={"width": 390, "height": 844})
    too_wide = page.evaluate(
        "(() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth - main.clientWidth; })()"
    )
    assert too_wide == 0
    background = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    brightness = sum(int(part) for part in background[background.index("(") + 1 : -1].split(",")[:3])
    assert (brightness > 384) == (scheme == "light")


def test_the_keyboard_reaches_another_page(open_page: Open) -> None:
    page = open_page("/?refresh=off")
    link = page.get_by_role("link", name="Ticks")
    link.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Ticks").wait_for()
