"""What deploy/ ships works with this hub: metrics that it names exist, and the programs that read it accept it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots.executor.report import ExecutorReport
from registry.conditions import Condition
from tests.api.served_hub import Hub

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROMTOOL = os.environ.get("HUB_TEST_PROMTOOL") or shutil.which("promtool")
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "condition-hub.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: it comes with Prometheus")


def promtool(*arguments: str, folder: Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], check=False, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts() -> Iterator[tuple[str, str]]:
    """(name, expression) of every alert."""
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    yield from re.findall(r"- alert: (\w+)\n +expr: (.+)\n", text)


def named(expression: str) -> set[str]:
    """The hub's metrics in an expression."""
    return set(re.findall(r"\bhub_[a-z_]+", expression))


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory, sample: Any) -> str:
    """What /metrics of a hub says that has a condition, runs bots, and has handled a request."""
    with Hub(tmp_path_factory.mktemp("hub"), sample) as hub:
        hub.store.registry.register([Condition.parse("BTCUSDT 1h: close > 1")], active_from_ms=hub.clock.now_ms())
        ExecutorReport().write(hub.settings.data_dir)
        olga = hub.as_user("olga", "operator")
        olga.get("/indicators")
        answer = olga.get("/metrics")
        assert answer.status_code == 200
        return str(answer.text)


def test_every_metric_of_alerts_and_board_is_exposed(exposed: str) -> None:
    families = dict(re.findall(r"^# TYPE (hub_\w+) (\w+)$", exposed, re.MULTILINE))
    known = set(families)
    for name, kind in families.items():
        known |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else set()
    expressions = [*QUERIES, *(expression for _, expression in alerts())]
    assert len(expressions) > 30
    missing = {metric for expression in expressions for metric in named(expression)} - known
    assert not missing, sorted(known)


def test_labels_that_expressions_ask_for_are_exposed(exposed: str) -> None:
    assert 'hub_groups{state="stale",timeframe="1h"}' in exposed
    assert 'hub_series{exchange="BINANCE",state="current"} 1.0' in exposed
    assert 'hub_tick_lag_seconds{timeframe="1h"} 0.0' in exposed
    assert "hub_workers_online 0.0" in exposed
    for expression in [*QUERIES, *(each for _, each in alerts())]:
        for state in re.findall(r'state="(\w+)"', expression):
            assert state in {"all", "current", "absent", "stale", "waiting", "behind"}


@needs_promtool
def test_promtool_accepts_configuration_rules_and_metrics(exposed: str, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    (tmp_path / "operator.key").write_text("key")
    promtool("check", "config", "prometheus.yml", folder=tmp_path)
    promtool("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "metrics"]
    said = subprocess.run(command, check=False, input=exposed, capture_output=True, text=True, timeout=60)
    assert "error" not in said.stderr.lower(), said.stderr


@needs_promtool
def test_every_query_of_the_board_can_be_parsed(tmp_path: Path) -> None:
    rules = [{"record": f"board:query:{number}", "expr": query} for number, query in enumerate(QUERIES)]
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", "board.yml", folder=tmp_path)


def test_the_panels_of_the_board_have_their_own_places() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_alert_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    names = [name for name, _ in alerts()]
    assert len(names) == text.count("- alert:") == text.count("runbook:")
    for name in names:
        assert f"docs/operations.md#{name.lower()}" in text
        assert f"\n### {name}\n" in page, name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for each in UNITS:
        # It wants to see the programs, which are not installed here.
        text = re.sub(r"/opt/condition-hub/\.venv/bin/\w+", "/bin/true", each.read_text(encoding="utf-8"))
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", tmp_path / unit.name], check=False, capture_output=True, text=True, timeout=60
    )
    # It succeeds even if it does not know a setting, but says so.
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_start_commands_and_settings_that_exist() -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        assert re.search(r"^ExecStart=\S+/hub (up|worker)$", text, re.MULTILINE)
        for name in re.findall(r"^Environment=(HUB_\w+)=", text, re.MULTILINE):
            assert name in (ROOT / ".env.example").read_text(encoding="utf-8")
