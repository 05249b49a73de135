"""``hub bots simulate``: a configuration in, deals, orders, profit and fees out."""

import json
from pathlib import Path

import polars as pl
import pytest

import app_cli
from bots.configured_simulation import simulate_bot
from bots.simulation_figures import as_json
from hub.demo.acting_bots import ACTING
from registry.store import open_store

SPAN = ("--since", "2024-08-04", "--until", "2024-08-07")
Shell = tuple[int, str, str]


class Run:
    """Runs `hub bots simulate` in this process: (exit code, stdout, stderr)."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Shell:
        code = app_cli.run(["bots", "simulate", *arguments])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err


@pytest.fixture(scope="module")
def folder(sample: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    with open_store(f"duckdb:{folder / 'store'}") as store:
        store.candles.upsert(sample.filter(pl.col("symbol") == "BTCUSDT"))
    for kind, config in ACTING.items():
        (folder / f"{kind}.json").write_text(json.dumps({"bot_type": kind, **config}))
    return folder


@pytest.fixture
def simulate(capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HUB_DATA_DIR", str(folder))
    monkeypatch.chdir(folder)
    return Run(capsys)


@pytest.mark.parametrize("kind", ACTING)
def test_what_is_printed_fits_and_says_it_all(simulate: Run, kind: str) -> None:
    code, shown, _ = simulate(f"{kind}.json", *SPAN)
    assert code == 0
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.startswith(f"{kind} on BINANCE:BTCUSDT 5m\n")
    for word in ("profit", "fees", "drawdown", "deals", "orders"):
        assert f"\n{word} " in shown


def test_json_is_the_simulation(simulate: Run, sample: pl.DataFrame) -> None:
    code, shown, _ = simulate("dca.json", *SPAN, "--json")
    assert code == 0
    told = json.loads(shown)
    expected = as_json(simulate_bot(ACTING["dca"], sample, kind="dca", since="2024-08-04", until="2024-08-07"))
    assert (told["profit_quote"], told["fees_quote"]) == (expected["profit_quote"], expected["fees_quote"])
    assert [deal["closed"] for deal in told["deals"]] == ["2024-08-05T15:20:00Z"]
    assert len(told["orders"]) == len(expected["orders"])  # type: ignore[arg-type]


def test_a_page_is_written(simulate: Run, tmp_path: Path) -> None:
    code, _, told = simulate("grid.json", *SPAN, "--html", str(tmp_path / "grid.html"))
    assert code == 0
    assert "<svg" in (tmp_path / "grid.html").read_text()
    assert f"The page with plots is {tmp_path / 'grid.html'}" in told
    code, _, told = simulate("grid.json", *SPAN, "--html", str(tmp_path / "none" / "grid.html"))
    assert (code, "cannot be written: No such file" in told) == (1, True)


def test_a_bot_that_did_nothing_is_told_what_to_try(simulate: Run) -> None:
    code, shown, told = simulate("dca.json", "--since", "2024-08-10", "--until", "2024-08-11")
    assert code == 0
    assert "deals       none" in shown
    assert "It placed no order; try another time" in told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{'bot_type': 'shibboleth'}", "config.json is no JSON: "),
        ('["shibboleth"]', "config.json has to be a JSON object"),
        ('{"bot_type": "dca"}', "base_order_volume is needed"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_not_repeated(
    simulate: Run, folder: Path, text: str, problem: str
) -> None:
    (folder / "config.json").write_text(text)
    code, shown, told = simulate("config.json")
    assert (code, shown) == (1, "")
    assert problem in told
    assert "shibboleth" not in told


def test_a_missing_file_is_named(simulate: Run) -> None:
    code, _, told = simulate("nowhere.json")
    assert code == 1
    assert "cannot read nowhere.json: No such file or directory" in told
