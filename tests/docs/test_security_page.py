"""docs/security.md names, for its promises, tests that exist, and every file of attacks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_holds_a_promise_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_attack_is_on_the_page() -> None:
    attacks = {f"tests/attacks/{path.name}" for path in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert attacks
    missing = sorted(attack for attack in attacks if f"`{attack}`" not in PAGE)
    assert missing == [], "say on docs/security.md what these promise"


def test_the_page_can_be_found() -> None:
    for place, link in (("README.md", "docs/security.md"), ("docs/architecture.md", "security.md")):
        assert f"]({link})" in (ROOT / place).read_text(encoding="utf-8")
