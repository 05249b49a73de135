"""``hub bots`` against a served hub: what is made, shown, told and refused, for people and for machines."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app_cli
from tests.api.routes.test_bots import DCA, with_two_currencies
from tests.api.routes.test_bots import run as act
from tests.api.served_hub import Hub, a_hub

Shell = tuple[int, str, str]


class Bots:
    """Runs `hub bots` in this process as one user: (exit code, stdout, stderr)."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Shell:
        code = app_cli.run(["bots", *words])
        shown = self._capsys.readouterr()
        assert all(len(line) <= 80 for line in shown.out.splitlines()), shown.out
        return code, shown.out, shown.err

    def json(self, *words: str) -> Any:
        """What a command prints for machines."""
        code, out, _ = self(*words, "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with a_hub(tmp_path / "hub") as served:
        yield served


@pytest.fixture
def bots(hub: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bots:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_API_URL", hub.url)
    monkeypatch.setenv("HUB_API_KEY", hub.key("ann"))
    Path("bot.json").write_text(json.dumps(DCA))
    return Bots(capsys)


def test_an_empty_list_names_the_next_command(bots: Bots) -> None:
    code, out, err = bots("list")
    assert (code, out, err) == (0, "", "no bots; create one: hub bots create FILE\n")
    assert bots.json("list") == []


def test_a_bot_is_made_listed_and_shown(bots: Bots) -> None:
    code, out, err = bots("create", "bot.json")
    assert (code, out) == (0, "")
    assert "bot dca_bot_123 (dca, paper) acts in BINANCE:BTCUSDT" in err
    again = bots.json("create", "bot.json")
    assert (again["bot_id"], again["account"], again["created_at"]) == ("dca_bot_123", "paper", "2024-08-06T12:00:00Z")
    named = bots.json("create", "bot.json", "--name", "other")
    assert {one["bot_id"] for one in bots.json("list")} == {"dca_bot_123", named["bot_id"]}
    code, out, _ = bots("list")
    assert [line.split()[:4] for line in out.splitlines()][1] == [named["bot_id"], "dca", "paper", "waiting"]
    code, out, _ = bots("show", "dca_bot_123")
    assert out.startswith("bot         dca_bot_123, dca on paper, active\n")
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["entry", "exit"]
    assert bots.json("show", "dca_bot_123") == again


def test_gains_in_several_currencies_are_shown_apart(bots: Bots, hub: Hub) -> None:
    with_two_currencies(hub)
    _, out, _ = bots("list")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][-3:] == ["gain", "fees", "in"]
    assert [row[-3:] for row in rows[1:]] == [["4.55", "0.30000000", "USDT"], ["0.00012000", "0.00000100", "BTC"]]
    _, out, _ = bots("show", "dca_bot_123")
    assert [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("gain")] == [
        "4.55 USDT after 0.30000000 USDT of fees", "0.00012000 BTC after 0.00000100 BTC of fees",
    ]  # fmt: skip


def test_what_a_bot_did_is_shown(bots: Bots, hub: Hub, tmp_path: Path) -> None:
    for what in ("deals", "orders", "fills", "triggers", "notes"):
        made = bots.json("create", "bot.json")
        code, out, err = bots("show", "dca_bot_123", "--what", what)
        assert (code, out, err) == (0, "", f"no {what} yet; hub bots show dca_bot_123 shows how it stands\n")
    entry = made["conditions"][0]["condition_id"]
    act(hub, tmp_path, (entry, hub.clock.now_ms()))
    _, out, _ = bots("show", "dca_bot_123", "--what", "orders")
    assert [line.split() for line in out.splitlines()] == [
        ["placed_at", "purpose", "side", "quantity", "price"],
        ["2024-08-06", "12:00", "base", "buy", out.split()[-2], "-"],
    ]
    (order,) = bots.json("show", "dca_bot_123", "--what", "orders")
    assert (order["placed_at"], order["price"], len(order["client_id"])) == ("2024-08-06T12:00:00Z", None, 32)
    _, out, _ = bots("show", "dca_bot_123", "--what", "triggers")
    assert entry in out
    assert bots("pause", "dca_bot_123")[0] == 0
    act(hub, tmp_path)
    assert bots("show", "dca_bot_123", "--what", "notes")[1] == "2024-08-06 12:00  command: pause\n"


@pytest.mark.parametrize("word", ["pause", "resume", "stop", "kill"])
def test_a_bot_is_told_what_to_do(bots: Bots, hub: Hub, word: str) -> None:
    bots.json("create", "bot.json")
    code, out, err = bots(word, "dca_bot_123")
    assert (code, out) == (0, "")
    assert f"is told to {word}" in err
    assert bots.json(word, "dca_bot_123")["bot_id"] == "dca_bot_123"
    assert [one.command for one in hub.store.bots.commands_after(0, 9)] == [word, word]
    code, out, err = bots(word, "nobody")
    assert (code, out) == (1, "")
    assert "no such bot" in err


def test_an_ended_bot_is_listed_if_asked_for(bots: Bots, hub: Hub, tmp_path: Path) -> None:
    bots.json("create", "bot.json")
    assert bots("kill", "dca_bot_123")[0] == 0
    act(hub, tmp_path)
    assert bots.json("list") == []
    assert [one["life"] for one in bots.json("list", "--all")] == ["ended"]


def test_whose_bots_are_killed_has_to_be_said(bots: Bots, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    bots.json("create", "bot.json")
    for words in ((), ("dca_bot_123", "--mine"), ("--mine", "--everybodys")):
        code, _, err = bots("kill", *words)
        assert (code, "say which: hub bots kill BOT" in err) == (1, True)
    assert bots("kill", "--everybodys")[0] == 1
    assert hub.store.bots.last_command() == 0
    assert bots.json("kill", "--mine") == {"bots": 1}
    monkeypatch.setenv("HUB_API_KEY", hub.key("root", "operator"))
    assert bots.json("kill", "--everybodys") == {"bots": 1}


def test_what_cannot_be_made_is_said_without_the_configuration(bots: Bots) -> None:
    for text, said in (
        (json.dumps(DCA | {"takeProfits": 4711}), "takeProfits is no parameter of this bot (did you mean"),
        ('{"secret": 4711', "bot.json is no JSON"),
        ("[4711]", "bot.json has to be a JSON object"),
    ):
        Path("bot.json").write_text(text)
        code, out, err = bots("create", "bot.json")
        assert (code, out) == (1, "")
        assert said in err
        assert "4711" not in err
    code, _, err = bots("create", "none.json")
    assert (code, "cannot read none.json: No such file" in err) == (1, True)
    assert bots.json("list") == []


def test_a_configuration_may_come_from_stdin(bots: Bots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(DCA)))
    assert bots("create", "-", "--name", "piped")[0] == 0
    assert [one["bot_id"] for one in bots.json("list")] == ["piped"]
    monkeypatch.setattr("sys.stdin", io.StringIO('{"bot_type": "dca"'))
    code, _, err = bots("create", "-")
    assert (code, "stdin is no JSON" in err) == (1, True)
    code, _, err = bots("create", "bot.json", "--nmae", "x")
    assert (code, "--nmae" in err) == (2, True)


def test_without_a_key_the_next_command_is_named(bots: Bots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_API_KEY")
    code, _, err = bots("list")
    assert (code, "hub keys create USER" in err) == (1, True)
