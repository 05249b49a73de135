"""The published description is complete: schemathesis finds no answer that is not in it, with a key and without."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.bodies.patterns import IN_WORDS
from registry.store.parts.accounts import Role
from tests.api.served_hub import Hub, a_hub

# No schema says what a condition, a bot or a template may be; those that are published are wider, and other tests say
# the rest.
WIDER = "".join(
    f'[[operations]]\ninclude-path = "{path}"\nchecks.positive_data_acceptance.enabled = false\n'
    for path in (
        *("/conditions/register", "/conditions/preview", "/conditions/preview/bulk", "/conditions/backtest"),
        *("/bots", "/bot-preview", "/webhooks", "/webhook-preview"),
    )
)


def explore(hub: Hub, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis, all its phases, on everything that ends."""
    config = folder / "schemathesis.toml"
    config.write_text(WIDER)
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(config),
        "run",
        f"{hub.url}/openapi.json",
    ]
    options = ["--exclude-path", "/events", "--seed", "20240805", "--no-color", "--generation-database", "none"]
    return subprocess.run(
        [*command, *options, *arguments], capture_output=True, text=True, cwd=folder, timeout=300, check=False
    )


@pytest.mark.parametrize(("role", "examples"), [("operator", 4), (None, 1)])
def test_schemathesis_finds_nothing(tmp_path: Path, role: Role | None, examples: int) -> None:
    with a_hub(tmp_path / "hub") as hub:
        header = [] if role is None else ["-H", f"Authorization: Bearer {hub.key('ann', role)}"]
        run = explore(hub, tmp_path, *header, "--max-examples", str(examples))
        assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]
        assert "Tested: 47" in run.stdout
        assert hub.nobody().get("/health/live").status_code == 200


def patterns(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
        return own.union(*map(patterns, part.values()))
    return set().union(*map(patterns, part)) if isinstance(part, list) else set()


def test_no_answer_shows_a_pattern(hub: Hub) -> None:
    published = patterns(hub.nobody().get("/openapi.json").json())
    assert published == set(IN_WORDS)
    ann = hub.as_user("openapi-ann")
    subscription = {"bot_id": " x", "condition_id": "X", "bot_type": "DCA!", "policy": {"expires_at": 10**15}}
    told = ann.post("/conditions/subscribe", json=subscription).json()
    told_of = {error["pointer"]: error["detail"] for error in told["errors"]}
    assert told_of == {
        "/bot_id": "should be 1 to 128 printable ASCII characters, without a space at either end",
        "/condition_id": "should be 32 characters, each a digit or a letter from a to f",
        "/bot_type": "should be a word of up to 32 small letters, digits and _ that begins with a letter, such as dca",
        "/policy/expires_at": "should be at most 4,102,444,800,000 (2100-01-01 00:00 UTC)",
    }
    for query, detail in (
        ("limit=0", "limit should be at least 1"),
        ("limit=501", "limit should be at most 500"),
        ("after_seq=9223372036854775807", "after_seq should be at most 4,611,686,018,427,387,904"),
    ):
        answer = ann.get(f"/triggers?{query}" if "seq" in query else f"/conditions/user/subscriptions?{query}")
        assert answer.json()["detail"] == detail


def test_every_route_is_described(hub: Hub) -> None:
    described = hub.nobody().get("/openapi.json").json()
    assert len(described["paths"]) > 15
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            is_open = path.startswith("/health/")
            assert ("security" in operation) != is_open, (method, path)
            assert ("429" in operation["responses"]) != is_open, (method, path)
            for status, response in operation["responses"].items():
                if status >= "400" and path != "/health/ready":
                    assert "application/problem+json" in response["content"], (method, path, status)
    assert hub.nobody().get("/docs").status_code == 200
