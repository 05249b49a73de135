"""The main paths through the pages in a real browser, where Playwright and Chromium are installed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dashboard.browsing import CHROMIUM, DESK, PHONE, chromium, drawn, pages, served
from tests.dashboard.conftest import CROSSING, Judged

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

PAGES = tuple(pages(""))
RULES = ("color-contrast", "label", "button-name", "link-name", "select-name", "image-alt", "aria-input-field-name")
"""Contrast of at least 4.5 to 1, and a name for whatever can be used: the rules of axe that these promises are."""
STRIP_Y = 366
"""Where the truth strip is in the chart of candles: :mod:`dashboard.charts.candles` lays it out in pixels."""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def address(judged: Judged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(judged.folder, tmp_path_factory.mktemp("dashboard") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


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
        return drawn(context, f"{address}{path}", note)

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_and_named_and_fit_a_phone_in_both_themes(
    open_page: Open, judged: Judged, name: str, scheme: str
) -> None:
    page = open_page(pages(judged.ids[CROSSING])[name], color_scheme=scheme, viewport=PHONE)
    too_wide = page.evaluate(
        "(() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth - main.clientWidth; })()"
    )
    assert too_wide == 0
    background = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    brightness = sum(int(part) for part in background[background.index("(") + 1 : -1].split(",")[:3])
    assert (brightness > 384) == (scheme == "light")
    page.set_viewport_size(DESK)
    violations = axe.Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
    assert [
        (each["id"], node["html"][:200], node["failureSummary"]) for each in violations for node in each["nodes"]
    ] == []


def test_a_link_shows_the_page_that_its_sender_saw(open_page: Open, judged: Judged) -> None:
    page = open_page(f"/conditions?id={judged.ids[CROSSING]}&zone=Europe%2FBerlin&refresh=off")
    assert page.get_by_text("times are in Europe/Berlin").count() == 1
    assert page.get_by_text(judged.ids[CROSSING]).count() > 0
    page.locator("canvas").first.wait_for()


def test_a_search_is_in_the_link_too(open_page: Open) -> None:
    page = open_page("/conditions?search=eth+bbands&sort=text&refresh=off")
    assert page.get_by_label("Search").first.input_value() == "eth bbands"
    assert page.get_by_text("1 to 1 of 1 that match").count() == 1


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


def test_a_click_on_a_candle_explains_it(open_page: Open, judged: Judged) -> None:
    page = open_page(f"/conditions?id={judged.ids[CROSSING]}&refresh=off", viewport=DESK)
    newest = page.get_by_text("Why it fires, or does not, at").inner_text()
    chart = page.locator("[data-testid=stEChartsChart] canvas").first
    chart.wait_for()
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] / 2, "y": STRIP_Y})
    page.wait_for_function(
        "newest => !document.body.innerText.includes(newest)"
        " && document.body.innerText.includes('Why it fires, or does not, at')",
        arg=newest,
    )
    # Open by itself, with the value that the condition read.
    page.get_by_text("rsi(14)", exact=False).locator("visible=true").last.wait_for()
    explained = page.locator("[data-testid=stExpander] [data-testid=stCode]").first
    explained.wait_for()
    assert "rsi(14)" in explained.inner_text()


def test_the_keyboard_reaches_another_page(open_page: Open) -> None:
    page = open_page("/?refresh=off")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Ticks":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Ticks").wait_for()
