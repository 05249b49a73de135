"""The TypeScript client: its types are those of the API, and it does what they say."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.api.served_hub import a_hub, id_of
from tests.clients.typescript import CLIENT, TYPES, generated, node_modules, tool

CONDITION = "BTCUSDT 1h: rsi(14) crosses_below 30"


def test_its_types_are_those_of_the_api(tmp_path: Path) -> None:
    node_modules()
    with a_hub(tmp_path / "hub") as hub:
        made = generated(hub, tmp_path)
    assert made == TYPES.read_text(), "run python -m tests.clients.typescript"


def test_they_have_every_route_and_field_of_the_api(tmp_path: Path) -> None:
    """This needs no tools, so it is known everywhere when they have to be generated again."""
    with a_hub(tmp_path / "hub") as hub:
        api = httpx.get(f"{hub.url}/openapi.json", timeout=60).json()
    paths, _, schemas = TYPES.read_text().partition("export interface components {")
    assert sorted(named_routes(paths)) == sorted(
        (path, method) for path, routes in api["paths"].items() for method in routes
    )
    assert fields_of_schemas(schemas.partition("export interface operations {")[0]) == {
        name: set(schema.get("properties", ())) for name, schema in api["components"]["schemas"].items()
    }


def named_routes(types: str) -> Iterator[tuple[str, str]]:
    """(path, method) of what the interface of the paths has."""
    path = ""
    for line in types.splitlines():
        if begun := re.fullmatch(r' {4}"(/.*)": \{', line):
            path = begun[1]
        elif routed := re.fullmatch(r" {8}(\w+): operations\[.*", line):
            yield path, routed[1]


def fields_of_schemas(types: str) -> dict[str, set[Any]]:
    """Schema -> the fields that its type has."""
    fields: dict[str, set[Any]] = {}
    name = ""
    for line in types.splitlines():
        if begun := re.match(r" {8}(\w+): ", line):
            name = begun[1]
            fields[name] = set()
        elif field := re.match(r' {12}"?([\w-]+)"?\??: ', line):
            fields[name].add(field[1])
    return fields


def test_it_registers_subscribes_and_reads_the_stream(tmp_path: Path) -> None:
    modules = node_modules()
    client = tmp_path / "client"
    shutil.copytree(CLIENT, client, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (client / "node_modules").symlink_to(modules.resolve())
    # Wrong calls in flow.ts have to be errors: each is expected there.
    tool("tsc", "-p", "test", folder=client)
    with a_hub(tmp_path / "hub") as hub:
        env = {"HUB_API_URL": hub.url, "HUB_API_KEY": hub.key("ann")}
        node = shutil.which("node")
        assert node is not None
        with subprocess.Popen([node, "built/test/flow.js"], cwd=client, env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            assert first == {"condition_id": id_of(CONDITION), "state": "judged", "subscriptions": 1}
            seqs = hub.fire(first["condition_id"], count=3)
            second = json.loads(process.stdout.readline())
    assert second["seqs"] == seqs
    assert second["refused"][0] == 404
    assert process.returncode == 0
