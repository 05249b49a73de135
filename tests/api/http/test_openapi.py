"""The published description is complete: schemathesis finds no answer that is not in it, with a key and without."""

import subprocess
import sys
from pathlib import Path

import pytest

from registry.store.parts.accounts import Role
from tests.api.served_hub import Hub, a_hub

# No schema says what a condition may be; the one that is published is wider, and the language's tests say the rest.
WIDER = "".join(
    f'[[operations]]\ninclude-path = "{path}"\nchecks.positive_data_acceptance.enabled = false\n'
    for path in ("/conditions/register", "/conditions/preview")
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
        [*command, *options, *arguments], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


@pytest.mark.parametrize(("role", "examples"), [("operator", 4), (None, 1)])
def test_schemathesis_finds_nothing(tmp_path: Path, role: Role | None, examples: int) -> None:
    with a_hub(tmp_path / "hub") as hub:
        header = [] if role is None else ["-H", f"Authorization: Bearer {hub.key('ann', role)}"]
        run = explore(hub, tmp_path, *header, "--max-examples", str(examples))
        assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]
        assert "Tested: 22" in run.stdout
        assert hub.nobody().get("/health/live").status_code == 200


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
