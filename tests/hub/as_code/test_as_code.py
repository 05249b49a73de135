"""Conditions as code: a plan in words, made once, drift seen, and nothing removed that the file does not own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import app_cli
from hub.as_code.schema import PATH, schema_text
from tests.api.served_hub import Hub, a_hub

PAGE = Path(__file__).resolve().parents[3] / "docs" / "conditions-as-code.md"


class Desk:
    """Runs `hub plan` and `hub apply` on a file, as one user."""

    def __init__(self, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
        self.hub = hub
        self._capsys = capsys
        self.ann = hub.as_user("ann")

    def write(self, **sections: Any) -> None:
        Path("swing.yaml").write_text(yaml.safe_dump(sections, sort_keys=False))

    def run(self, *words: str) -> tuple[int, str, str]:
        code = app_cli.run([words[0], "swing.yaml", *words[1:]])
        out, err = self._capsys.readouterr()
        return code, out, err

    def lines(self, *words: str) -> list[str]:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out.splitlines()

    def subscriptions(self) -> set[tuple[str, str]]:
        items = self.ann.get("/conditions/user/subscriptions").json()["items"]
        return {(one["bot_id"], one["condition_id"]) for one in items}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_hub(tmp_path / "hub") as served:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HUB_API_URL", served.url)
        monkeypatch.setenv("HUB_API_KEY", served.key("ann"))
        monkeypatch.setenv("TELEGRAM_TOKEN", "1:s3cret")
        yield Desk(served, capsys)


RSI = "BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30"
CLOSE = "BINANCE:BTCUSDT 1h: close > 1"


def test_the_page_s_example_is_applied_once(desk: Desk) -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    # The test's hub has candles and a listing of one instrument only.
    Path("swing.yaml").write_text(example.replace("ETHUSDT", "BTCUSDT"))
    planned = desk.lines("plan")
    assert f"+ register oversold: {RSI}" in planned
    assert f"+ subscribe swing-btc to {RSI} (cooldown_s 0 -> 3600)" in planned
    assert "+ create webhook swing-alerts: telegram" in planned
    assert desk.subscriptions() == set(), "a plan changes nothing"
    assert desk.lines("apply") == planned
    assert len([one for one in desk.subscriptions() if one[0] == "swing-btc"]) == 3
    before = desk.hub.store.registry.last_change()
    code, out, err = desk.run("apply")
    assert (code, out, "no changes" in err) == (0, "", True)
    assert desk.hub.store.registry.last_change() == before
    assert desk.run("plan", "--check")[0] == 0


def test_drift_is_seen_and_mended(desk: Desk) -> None:
    hook = {"preset": "telegram", "options": {"chat_id": 42}, "secrets": {"token": "TELEGRAM_TOKEN"}}
    desk.write(subscriptions={"swing": {"type": "dca", "conditions": [RSI]}}, webhooks={"alerts": hook})
    desk.lines("apply")
    ((_, condition),) = desk.subscriptions()
    other = {"bot_id": "swing", "condition_id": condition, "bot_type": "grid", "bot_config": {"mine": 1}}
    desk.ann.post("/conditions/subscribe", json={**other, "policy": {"max_fires": 3}})
    desk.ann.post("/conditions/pause", json={"bot_id": "swing", "condition_id": condition})
    body = {"name": "alerts", "preset": "telegram", "options": {"chat_id": "7"}, "secrets": {"token": "2:other"}}
    desk.ann.post("/webhooks", json=body)
    drifted = [
        f"~ change swing, {RSI}: max_fires 3 -> none, type grid -> dca, paused -> active",
        "~ change webhook alerts: secrets, body",
    ]
    assert desk.lines("plan") == drifted
    code, _, err = desk.run("plan", "--check")
    assert (code, "differs from swing.yaml in 2 places" in err) == (1, True)
    assert desk.lines("apply") == drifted
    assert desk.lines("plan") == []
    kept = desk.hub.store.registry.bot_config("ann", "swing", condition)
    assert kept == {"mine": 1}, "a configuration that a program keeps stays"


def test_nothing_is_removed_unasked_or_that_is_not_the_file_s(desk: Desk) -> None:
    desk.write(subscriptions={"swing": {"conditions": [RSI, CLOSE]}, "swing-2": {"conditions": [RSI]}})
    desk.lines("apply")
    (foreign,) = {one for one in desk.subscriptions() if one[0] == "swing-2"}
    desk.ann.post("/webhooks", json={"name": "by-hand", "url": "https://a.example/x"})
    desk.write(subscriptions={"swing": {"conditions": [RSI]}})
    removal = [f"- unsubscribe swing from {CLOSE}"]
    assert desk.lines("plan") == removal
    code, out, err = desk.run("apply")
    assert (code, out, "1 removals wait" in err) == (0, "", True)
    assert len(desk.subscriptions()) == 3
    assert desk.lines("apply", "--remove") == removal
    assert foreign in desk.subscriptions(), "a bot that no file names is nobody's but the user's"
    desk.write(owns=["swing*"], subscriptions={"swing": {"conditions": [RSI]}})
    assert desk.lines("plan") == [f"- unsubscribe swing-2 from {RSI}"]
    desk.write(owns=["*"], subscriptions={"swing": {"conditions": [RSI]}})
    assert desk.lines("apply", "--remove") == [
        "- delete webhook by-hand", f"- unsubscribe swing-2 from {RSI}",
    ]  # fmt: skip
    assert desk.lines("plan") == []


def test_bots_that_the_hub_runs(desk: Desk) -> None:
    config = {
        "bot_type": "dca", "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100, "takeProfit": 1.5,
        "entryConditions": ["rsi(14) crosses_below 30"],
    }  # fmt: skip
    desk.write(owns=["dca-*"], bots={"dca-1": {"config": config}})
    assert desk.lines("apply") == ["+ create bot dca-1: dca on paper, BINANCE:BTCUSDT"]
    assert desk.lines("plan") == []
    desk.write(owns=["dca-*"], bots={"dca-1": {"config": config | {"takeProfit": 2}}}, conditions={"c": CLOSE})
    code, _, err = desk.run("apply")
    assert (code, "nothing was changed: bot dca-1 runs with another configuration" in err) == (1, True)
    assert desk.ann.post("/conditions/check", json={"conditions": [CLOSE]}).json()["results"][0]["known"] is False
    desk.write(owns=["dca-*"])
    assert desk.lines("plan") == ["- stop bot dca-1"]
    desk.write(subscriptions={"dca-1": {"conditions": [RSI]}})
    assert "the hub runs a bot of that name" in desk.run("plan")[2]


def test_a_thousand_conditions_are_registered_and_subscribed_once(desk: Desk) -> None:
    names = {f"c{number}": f"BTCUSDT 1h: close > {number}" for number in range(1, 1_001)}
    desk.write(conditions=names, subscriptions={"swing": {"conditions": list(names)}})
    assert len(desk.lines("plan")) == 2_000
    assert len(desk.lines("apply")) == 2_000
    assert desk.lines("apply") == []
    assert len(desk.hub.store.registry.subscriptions_of("ann")) == 1_000


def test_machines_read_the_plan(desk: Desk) -> None:
    desk.write(conditions={"low": RSI})
    shown = json.loads(desk.run("plan", "--json")[1])
    assert shown == {"changes": [{"verb": "add", "thing": "condition", "name": "low", "text": f"register low: {RSI}"}]}
    desk.run("apply", "--json")
    assert json.loads(desk.run("apply", "--json")[1]) == {"changes": []}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"conditions": {"a": "BTCUSDT 1h: rsi(14) < ", "b": "BTCUSDT 7m: close > 1"}}, "conditions.b: timeframe '7m'"),
        ({"subscriptions": {"x": {"conditions": ["oversould"]}}}, "subscriptions.x: "),
        ({"subscriptions": {"x": {"conditions": [RSI, RSI]}}}, "is there twice"),
        ({"conditionz": {}}, "conditionz: there is no such field"),
        ({"webhooks": {"w": {"preset": "telegram", "secrets": {"token": "1:s3cret"}}}}, "never the secret itself"),
        ({"webhooks": {"w": {"preset": "telegram", "secrets": {"token": "NO_SUCH"}}}}, "NO_SUCH, which are not set"),
        ({"webhooks": {"w": {"url": "https://a.example/", "body": "{{ config }}"}}}, "a template can name"),
        ({"subscriptions": {"x": {"conditions": []}}, "bots": {"x": {"config": {}}}}, "in bots and in subscriptions"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_done(desk: Desk, sections: dict[str, Any], said: str) -> None:
    desk.write(**sections)
    before = desk.hub.store.registry.last_change()
    for command in ("plan", "apply"):
        code, out, err = desk.run(command)
        assert (code, out, said in err) == (1, "", True), err
        assert "s3cret" not in err
    assert desk.hub.store.registry.last_change() == before


def test_what_is_no_yaml_is_said_with_its_line(desk: Desk) -> None:
    Path("swing.yaml").write_text("conditions:\n  a: [\n")
    assert "swing.yaml:3 is no YAML" in desk.run("plan")[2]


def test_the_committed_schema_is_that_of_the_models_and_reads_the_page_s_example() -> None:
    assert PATH.read_text(encoding="utf-8") == schema_text(), "run: python -m hub.as_code.schema"
    example = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    schema = json.loads(PATH.read_text(encoding="utf-8"))
    assert jsonschema_rs.is_valid(schema, yaml.safe_load(example))
    assert not jsonschema_rs.is_valid(schema, {"conditionz": {}})
