"""The page about bots names every parameter that there is, with its default, and its example runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bots import dca, grid, market_making, trend
from bots.configuration import BotConfig
from bots.definition import define_bot
from bots.importing import from_3commas
from bots.machine import ROLES
from tests.bots.test_importing import DCA_BOT

PAGE = (Path(__file__).resolve().parents[2] / "docs/bots.md").read_text()
BOTS: dict[str, type[BotConfig]] = {
    "DCA": dca.Config,
    "Grid": grid.Config,
    "Trend": trend.Config,
    "Market making": market_making.Config,
}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def parameters(title: str) -> dict[str, str]:
    """Parameter -> its default, as the table has it."""
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]*\| ([^|]*)\|", section(title), flags=re.MULTILINE)
    return {name: default.strip() for names, default in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize("title", BOTS)
def test_every_parameter_is_described_and_no_other(title: str) -> None:
    assert set(parameters(title)) == set(BOTS[title].model_fields)


@pytest.mark.parametrize("title", BOTS)
def test_defaults_are_those_of_the_code(title: str) -> None:
    for name, written in parameters(title).items():
        default = BOTS[title].model_fields[name].default
        if written in ("", "all", "none", "measured"):
            continue
        assert written.strip("`") == str(default).lower(), name


def test_the_roles_are_in_their_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section("What a bot sees, and what it does"), flags=re.MULTILINE)
    assert [row for row in rows if row in ROLES] == list(ROLES)


@pytest.mark.parametrize("title", BOTS)
def test_every_bot_has_its_states(title: str) -> None:
    assert "stateDiagram-v2" in section(title)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    deals = names["simulation"].deals
    assert deals.height > 3
    assert {"take profit", "stop loss"} == set(deals["reason"])
    exec(second, names)
    assert names["simulation"].orders.height > 1
    assert str(names["simulation"].series) == "BINANCE:BTCUSDT 5m"
    monkeypatch.chdir(tmp_path)
    Path("3commas.json").write_text(json.dumps(DCA_BOT))
    exec(third, names)
    assert define_bot(json.loads(Path("bot.json").read_text())).definition.config == from_3commas(DCA_BOT)
