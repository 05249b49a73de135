"""The pictures of the dashboard in ``docs/images``, of a data folder such as the demo's.

python -m tests.dashboard.screenshots .hub/demo      after `make demo`, with Playwright and Chromium
"""

import argparse
import tempfile
from pathlib import Path

from registry.store import open_store
from registry.store.parts.condition_pages import ConditionQuery
from tests.dashboard.browsing import DESK, PHONE, ROOT, chromium, drawn, pages, served

IMAGES = ROOT / "docs" / "images"
_MOST_BYTES = 150_000
_SHOWN = {
    "savings": ("light", DESK),
    "explore": ("light", DESK),
    "ticks": ("dark", DESK),
    "condition": ("light", {**PHONE, "height": 1_350}),
}
"""Page -> its theme and window; a phone that is long enough for the candles."""
_SETTLED_MS = 2_000
"""Charts move to their places."""


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.screenshots", description=__doc__)
    parser.add_argument("data_dir", type=Path, help="a data folder that no process writes to")
    data_dir = parser.parse_args().data_dir.resolve()
    addresses = pages(_often_fired(data_dir))
    with (
        tempfile.TemporaryDirectory() as logs,
        served(data_dir, Path(logs) / "log") as url,
        chromium() as browser,
    ):
        for name, (scheme, window) in _SHOWN.items():
            context = browser.new_context(color_scheme=scheme, viewport=window)
            page = drawn(context, f"{url}{addresses[name]}")
            page.wait_for_timeout(_SETTLED_MS)
            path = IMAGES / f"dashboard-{name}.png"
            page.screenshot(path=path)
            context.close()
            size = path.stat().st_size
            assert size <= _MOST_BYTES, f"{path} has {size:,} bytes"


def _often_fired(data_dir: Path) -> str:
    """The id of the condition with the most triggers."""
    with open_store(f"duckdb:{data_dir / 'store'}", read_only=True) as store:
        page = store.registry.condition_page(ConditionQuery(order="triggers", limit=1))
    return str(page.rows["condition_id"][0])


if __name__ == "__main__":
    main()
