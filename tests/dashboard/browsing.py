"""The dashboard as a process on a data folder, and Chromium to look at it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from common.supervised import free_port
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 120_000
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def pages(condition_id: str) -> Mapping[str, str]:
    """Page -> its address; all but one show nothing of their own while they are not drawn again."""
    return {
        "savings": "/?refresh=off",
        "conditions": "/conditions?refresh=off",
        "condition": f"/conditions?id={condition_id}&refresh=off",
        "health": "/health?refresh=off",
        "ticks": "/ticks?refresh=off",
        "explore": "/explore?refresh=off",
        "my_bots": "/my_bots?refresh=off",
    }


@contextmanager
def served(data_dir: Path, log_path: Path) -> Iterator[str]:
    """Where the dashboard of a data folder is, as ``make dashboard`` runs it, until the block ends."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    environment = {**clean, "HUB_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "streamlit", "run", "app_streamlit.py", "--server.port", str(port)]
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


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window, until the block ends."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def drawn(context: Any, address: str, on_request: Callable[[Any], None] | None = None) -> Any:
    """A new tab on an address, once the page is there to its end."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    if on_request is not None:
        page.on("request", on_request)
    page.goto(address)
    end = "Show my bots" if "/my_bots" in address else "Drawn at"
    page.get_by_text(end).first.wait_for()
    # Elements that are loaded with what they show, charts and tables, stand in until then.
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton],[data-testid=stAppSkeleton]')")
    return page
