"""The TypeScript client with its tools: ``python -m tests.clients.typescript`` writes its types again."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.api.served_hub import Hub, a_hub

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "typescript"
TYPES = CLIENT / "src" / "api.d.ts"


def node_modules() -> Path:
    """The folder with the client's development tools; skips the test where there is none."""
    folder = Path(os.environ.get("HUB_TEST_NODE_MODULES") or CLIENT / "node_modules")
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    if not (folder / "typescript").is_dir():
        pytest.skip(f"{folder} has no typescript; run npm install in {CLIENT}, or set HUB_TEST_NODE_MODULES")
    return folder


def tool(name: str, *arguments: object, folder: Path) -> str:
    """Run one of the tools; what it prints. Fails with that if it fails."""
    program = node_modules() / ".bin" / name
    done = subprocess.run([program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def generated(hub: Hub, folder: Path) -> str:
    """The types of the API as it is."""
    (folder / "openapi.json").write_text(httpx.get(f"{hub.url}/openapi.json", timeout=60).text)
    tool("openapi-typescript", "openapi.json", "--default-non-nullable=false", "-o", "api.d.ts", folder=folder)
    return (folder / "api.d.ts").read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, a_hub(Path(made) / "hub") as served:
        TYPES.write_text(generated(served, Path(made)))
