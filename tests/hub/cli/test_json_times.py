"""`--json` has one form of time, whatever the command."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hub.cli.test_audit import TEXT, Run, hourly, hub

__all__ = ["hourly", "hub"]

COMMANDS = (
    ("status",),
    ("tick", "1h"),
    ("candles", "list"),
    ("candles", "gaps"),
    ("candles", "quarantine"),
    ("candles", "revisions"),
    ("candles", "rebase", "BTCUSDT 1h", "--yes"),
    ("conditions", "list"),
    ("conditions", "explain", TEXT),
    ("conditions", "register", TEXT),
    ("instruments", "list"),
    ("instruments", "add", "ETHUSDT", "--first-candle", "2017-08-17"),
    ("keys", "list"),
    ("webhooks", "list"),
    ("users", "export", "ann"),
    ("users", "export", "ann"),
    ("store", "check"),
    ("doctor",),
    ("verify",),
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def values(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every leaf."""
    if isinstance(tree, dict):
        for key, each in tree.items():
            yield from values(each, key)
    elif isinstance(tree, list):
        for each in tree:
            yield from values(each, name)
    else:
        yield name, tree


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_times_are_iso_8601_with_z(hub: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_WITHOUT", "worker,bots,dashboard")
    assert hub("keys", "create", "ann")[0] == 0
    # An export is always JSON.
    out = hub(*command, *(() if command[0] == "users" else ("--json",)))[1]
    times = 0
    for name, value in values(json.loads(out)):
        if name == "detail":
            continue
        assert not name.endswith("_ms"), name
        assert not (isinstance(value, int) and value > 10**11), (name, value)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
            assert TIME.fullmatch(value), (name, value)
            times += 1
    assert times or command[:2] not in {("candles", "list"), ("keys", "list"), ("users", "export"), ("tick", "1h")}
