"""docs/reliability.md lists all failpoints."""

from common.failpoints import FAILPOINTS
from tests.chaos.report import PAGE


def test_every_failpoint_is_on_the_page() -> None:
    table = "\n".join(
        ["| step | what has happened |", "| - | - |", *(f"| `{n}` | {t} |" for n, t in FAILPOINTS.items())]
    )
    assert table in PAGE.read_text(encoding="utf-8"), f"the page needs this table:\n{table}"
