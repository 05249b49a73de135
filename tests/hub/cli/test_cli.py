"""The command line: data on stdout, messages on stderr, and an exit code that tells what happened."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import app_cli
from candles.market_lists import MarketLists
from registry.instruments import Instrument

ROOT = Path(__file__).resolve().parents[3]
HEADER = "open_time,open,high,low,close,volume"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("REDIS_URL", raising=False)


Shell = tuple[int, str, str]


@pytest.fixture
def hub(capsys: pytest.CaptureFixture[str]) -> "Run":
    return Run(capsys)


class Run:
    """Runs a command line in this process: (exit code, stdout, stderr)."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Shell:
        code = app_cli.run(list(arguments))
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err


def row(minute: int, *, high: float = 2.0, low: float = 0.5, unit: int = 1_000) -> str:
    return f"{(1_722_816_000 + minute * 60) * unit},1,{high},{low},1,5"


def write(name: str, *rows: str) -> str:
    Path(name).write_text("\n".join((HEADER, *rows)) + "\n")
    return name


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("BTCUSDT 1h: rsj(14) < 30", "did you mean rsi"),
        ("BTCUSDT 1h: rsi(0) < 30", "between 2 and 1000, got 0"),
        ("BTCUSDT 7m: rsi(14) < 30", "timeframe '7m' is not supported"),
        ('{"symbol":"BTCUSDT","timeframe":"1h","indicator":"RSI","operator":"<","value":30,"period":0}', "got 0"),
        ('{"symbol":"BTCUSDT","timeframe":"7m","indicator":"RSI","operator":"<","value":30}', "7m"),
        ('{"symbol":"BTCUSDT","timeframe":"1h","indicator":"RSJ","operator":"<","value":30}', "RSI"),
        ('{"symbol":', "JSON"),
        ("", "symbol and timeframe"),
    ],
)
def test_a_condition_that_cannot_be_read(hub: Run, condition: str, says: str) -> None:
    code, out, err = hub("conditions", "parse", condition)
    assert code == 1
    assert out == ""
    assert says.lower() in err.lower()
    assert err.startswith("error: ")


def test_parse_shows_identity(hub: Run) -> None:
    code, out, _ = hub("conditions", "parse", "btc/usdt 60m: 30 > RSI", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["canonical"] == "BINANCE:BTCUSDT 1h: rsi(14, close) < 30"
    assert len(shown["condition_id"]) == 32


def test_import_list_register_and_status(hub: Run) -> None:
    candles = write("BTCUSDT-1m.csv", *(row(minute) for minute in range(30)))
    code, out, _ = hub("candles", "import", candles, "--json")
    assert (code, json.loads(out)[0]["inserted"]) == (0, 30)
    code, out, _ = hub("candles", "import", candles, "--json")
    assert (code, json.loads(out)[0]["unchanged"]) == (0, 30)
    code, out, _ = hub("candles", "list", "--json")
    assert json.loads(out)[0]["series"] == "BINANCE:BTCUSDT 1m"
    code, first, err = hub("conditions", "register", "BTCUSDT 1m: rsi < 30")
    assert code == 0
    assert err.startswith("registered\nit is judged until ")
    code, second, err = hub("conditions", "register", "btc-usdt 1m: 30.0 > rsi(14)")
    assert (code, second) == (0, first)
    assert "already known" in err
    assert "warning" not in err
    code, out, _ = hub("status", "--json")
    assert json.loads(out)["conditions"] == 1
    code, out, _ = hub("conditions", "list", "--json")
    assert json.loads(out)[0]["triggers"] == 0


def test_what_cannot_fire_is_told(hub: Run) -> None:
    assert hub("conditions", "parse", "BTCUSDT 1h: rsi < 300")[0] == 0
    hub("candles", "import", write("BTCUSDT-1m.csv", *(row(minute) for minute in range(30))))
    for verb in ("parse", "register"):
        code, _, err = hub("conditions", verb, "BTCUSDT 1m: rsi(14)@4h < 300")
        assert code == 0
        assert "warning: rsi(14)@4h < 300 is always TRUE: rsi goes from 0 to 100\n" in err
        assert "warning: no candles of BINANCE:BTCUSDT 4h yet, so it cannot fire" not in err
        code, _, err = hub("conditions", verb, "BTCUSDT 1m: close > 1 and close@NOSUCHUSDT > 1")
        assert (code, err.startswith("error: unknown instrument BINANCE:NOSUCHUSDT")) == (1, True)
    code, out, err = hub("conditions", "register", "BTCUSDT 1m: rsi crosses_above 150", "--json")
    told = json.loads(out)
    assert (told["data"], told["warnings"]) == (
        "ready",
        ["rsi(14) crosses_above 150 is never TRUE: rsi goes from 0 to 100"],
    )
    assert json.loads(hub("conditions", "parse", "BTCUSDT 1m: rsi > 100", "--json")[1])["warnings"]


def test_missing_candles_are_told(hub: Run) -> None:
    hub("candles", "import", write("BTCUSDT-1h.csv", *(row(60 * hour) for hour in range(30))))
    for verb in ("parse", "register"):
        code, _, err = hub("conditions", verb, "BTCUSDT 15m: close > 1")
        assert code == 0
        assert "warning: no candles of BINANCE:BTCUSDT 15m yet, so it cannot fire: hub candles import FILE\n" in err
    code, out, _ = hub("conditions", "register", "BTCUSDT 15m: close > 1", "--json")
    assert json.loads(out)["data"] == "missing"


def test_an_instrument_with_sessions(hub: Run) -> None:
    from registry.store import open_store

    code, _, _ = hub("candles", "import", write("BTCUSDT-1m.csv", row(0)), "--calendar", "sessions")
    assert code == 0
    with open_store("duckdb:data/store", read_only=True) as store:
        assert store.candles.calendars() == {"BINANCE:BTCUSDT": "sessions"}
    code, _, _ = hub("candles", "import", "BTCUSDT-1m.csv", "--calendar", "weekdays")
    assert code == 2


def test_an_unknown_instrument(hub: Run) -> None:
    hub("candles", "import", write("BTCUSDT-1m.csv", row(0)))
    code, _, err = hub("conditions", "register", "BTCUSD 1m: rsi < 30")
    assert code == 1
    assert "BTCUSDT" in err


def test_where_candles_are_fetched_the_exchange_knows_what_there_is(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hub("candles", "import", write("BTCUSDT-1m.csv", row(0)))
    monkeypatch.setenv("HUB_WITHOUT", "")
    for verb in ("parse", "register"):
        code, _, err = hub("conditions", verb, "ETHUSDT 1m: rsi < 30")
        assert code == 0
        assert "no candles of BINANCE:ETHUSDT 1m yet, so it cannot fire: a running hub fetches them (hub up)" in err
        code, _, err = hub("conditions", verb, "NOWHERE:ETHUSDT 1m: rsi < 30")
        assert (code, "unknown instrument NOWHERE:ETHUSDT" in err) == (1, True)
    binance = {Instrument("BINANCE", "BTCUSDT"): "BTC/USDT"}
    MarketLists(Path("data")).write("BINANCE", binance)
    code, _, err = hub("conditions", "register", "BTCUSD 1m: rsi < 30")
    assert (code, "no such market at binance" in err, "did you mean BTCUSDT?" in err) == (1, True, True)


@pytest.mark.parametrize(
    ("rows", "accepted", "rejected", "gaps"),
    [
        ([row(0), row(1), row(4), row(5)], 4, 0, 1),
        ([row(0), row(1), row(1), row(2)], 3, 1, 0),
        ([row(0), row(1, high=0.2, low=0.5), row(2)], 2, 1, 1),
        ([row(minute, unit=1_000_000) for minute in range(5)], 5, 0, 0),
        ([row(0), "2024-08-05T00:01:00Z,1,x,0.5,1,5", row(2)], None, None, None),
    ],
    ids=["gap", "repeated row", "high below low", "microseconds", "mixed garbage"],
)
def test_bad_rows_are_reported_and_nothing_is_lost(
    hub: Run, rows: list[str], accepted: int | None, rejected: int | None, gaps: int | None
) -> None:
    code, out, _ = hub("candles", "import", write("BTCUSDT-1m.csv", *rows), "--json")
    assert code == 0
    (report,) = json.loads(out)
    kept = sum(report["quarantined"].values())
    assert report["accepted"] + kept == len(rows)
    if accepted is not None:
        assert (report["accepted"], kept, len(report["gaps"])) == (accepted, rejected, gaps)
    _, listed, _ = hub("candles", "quarantine", "--json")
    assert len(json.loads(listed)) == kept


def test_a_file_of_rejected_rows_fails_with_the_reason_once(hub: Run) -> None:
    code, out, err = hub("candles", "import", write("BTCUSDT-1m.csv", row(0, high=0.2), row(1, high=0.2)))
    assert code == 1
    assert (out + err).count("high is below low") == 1
    assert "--columns" in err


def test_options_of_an_import(hub: Run) -> None:
    Path("x.csv").write_text("2024-08-05 09:30;1;2;0,5;1;5\n2024-08-05 09:31;1;2;0,5;1;5\n")
    options = ("--symbol", "NYSE:IBM", "--timeframe", "1m", "--zone", "America/New_York")
    code, out, _ = hub("candles", "import", "x.csv", *options, "--columns", "time,open,high,low,close,volume", "--json")
    assert code == 0
    assert json.loads(out)[0]["series"] == ["NYSE:IBM 1m"]
    _, out, _ = hub("candles", "list", "--json")
    assert json.loads(out)[0]["first_open_time"] == "2024-08-05T13:30:00Z"
    for option, value, says in (
        ("--columns", "time,open,hihg,low,close", "'hihg'"),
        ("--zone", "America/New_Yrok", "did you mean"),
        ("--grid", "day 25:00", "25:00"),
    ):
        code, _, err = hub("candles", "import", "x.csv", *options[:4], option, value)
        assert code == 1
        assert says in err


def test_deleting_candles(hub: Run) -> None:
    hub("candles", "import", write("BTCUSDT-1m.csv", *(row(minute) for minute in range(30))))
    code, out, _ = hub("candles", "delete", "BTCUSDT 1m", "--since", "2024-08-05 00:20")
    assert (code, out) == (0, "10 candles of BINANCE:BTCUSDT 1m deleted\n")
    code, out, _ = hub("candles", "delete", "BTCUSDT 1m", "--until", "2024-08-05 00:05", "--json")
    assert json.loads(out) == {"series": "BINANCE:BTCUSDT 1m", "deleted": 5}
    code, _, err = hub("candles", "delete", "BTCUSDT 1m", "--since", "2024-08-06", "--until", "2024-08-05")
    assert code == 1
    assert "nothing was deleted" in err


def test_the_table_of_an_import_names_reasons_and_gaps(hub: Run) -> None:
    code, out, _ = hub("candles", "import", write("BTCUSDT-1m.csv", row(0), row(1, high=0.2), row(5)))
    assert code == 0
    assert "1 row quarantined" in out
    assert "is missing 4 candles from 2024-08-05 00:01" in out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("candles", "import", "nothing.csv"), "nothing.csv"),
        (("candles", "list"), "hub demo"),
        (("status",), "hub demo"),
        (("conditions", "list"), "hub demo"),
        (("tick", "7m"), "7m"),
        (("demo", "--bots", "0"), "at least 1"),
    ],
)
def test_what_cannot_be_done_exits_with_1(hub: Run, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = hub(*arguments)
    assert code == 1
    assert says in err


def test_an_empty_file_fails(hub: Run) -> None:
    Path("BTCUSDT-1m.csv").write_bytes(b"")
    code, out, err = hub("candles", "import", "BTCUSDT-1m.csv")
    assert code == 1
    assert err == "error: nothing was imported from 1 of 1 files:\nBTCUSDT-1m.csv: the file is empty (0 bytes)\n"
    assert "nothing imported" in out


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("candles", "imprt"), ("conditions", "parse"), ("demo", "--bots", "x")]
)
def test_a_wrong_command_line_exits_with_2(hub: Run, arguments: tuple[str, ...]) -> None:
    code, out, _ = hub(*arguments)
    assert code == 2
    assert out == ""


def test_a_bad_setting_is_named(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_REDIS_PORT", "99999")
    code, _, err = hub("status")
    assert code == 1
    assert "HUB_REDIS_PORT" in err


def test_a_demo_of_other_bots_needs_another_folder(hub: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "demo" / "population.json").write_text('{"bots": 400, "seed": 7}')
    code, out, err = hub("demo", "--bots", "800")
    assert code == 1
    assert out == ""
    assert "--bots 400 --seed 7" in err


@pytest.mark.parametrize("command", [("demo", "--bots", "1"), ("tick", "1h"), ("candles", "import", "x.csv")])
def test_a_folder_that_cannot_be_made(
    hub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "in the way").write_text("a file")
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "in the way" / "data"))
    code, out, err = hub(*command)
    assert code == 1
    assert out == ""
    assert "set HUB_DATA_DIR to a writable folder" in err


def test_a_store_elsewhere_does_not_hide_a_bad_data_folder(
    hub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "in the way").write_text("a file")
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "in the way" / "data"))
    monkeypatch.setenv("HUB_STORE_URL", f"duckdb:{tmp_path / 'store'}")
    code, _, err = hub("tick", "1h")
    assert code == 1
    assert "set HUB_DATA_DIR to a writable folder" in err


def test_a_busy_port_stops_the_demo(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        monkeypatch.setenv("HUB_REDIS_PORT", str(holder.getsockname()[1]))
        code, out, err = hub("demo", "--bots", "1")
    assert code == 1
    assert out == ""
    assert "HUB_REDIS_PORT" in err


def test_the_command_is_installed_and_helps() -> None:
    shown = subprocess.run(
        [Path(sys.executable).parent / "hub", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for command in ("demo", "candles", "conditions", "tick", "status"):
        assert command in shown.stdout


def test_every_setting_is_in_the_example() -> None:
    from common.settings import Settings

    example = (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        assert str(field.validation_alias or f"HUB_{name.upper()}") in example
