"""docs/reliability.md lists the failpoints that there are."""

from common.failpoints import FAILPOINTS
from tests.chaos.report import PAGE


def test_every_failpoint_is_on_the_page() -> None:
    table = "\n".join(
        ["| step | what has happened |", "| - | - |", *(f"| `{n}` | {t} |" for n, t in FAILPOINTS.items())]
    )
    assert table in PAGE.read_text(encoding="utf-8"), f"put this between the marks:\n{table}"
