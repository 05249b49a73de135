"""What is wrong with a file of rule tests is said with its line, and with what to write."""

import hashlib
import re
from pathlib import Path

import pytest

from analysis.rule_tests.judging import judge
from analysis.rule_tests.reading import read_rule_tests
from common.errors import RuleTestError

CONDITION = 'condition: "BTCUSDT 1h: rsi < 30 and close > 1"'
RECORDED = "symbol,timeframe,open_time,open,high,low,close,volume\n" + "".join(
    f"BTCUSDT,1h,2024-01-01 {hour:02}:00,{price},{price},{price},{price},1\n"
    for hour, price in enumerate((9, 11, 9, 11))
)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "the file is empty; it has `tests:`"),
        ("tests: [", 1, "it is no YAML"),
        ("tests:\n- condition: BTCUSDT 1h: close > 1", 2, "write a text with a colon in it in quotes"),
        ("- 1", 1, "a file of rule tests is a mapping"),
        ("test: []", 1, "has no 'test' (did you mean tests?)"),
        ("exchange: BINANCE", 1, "there are no tests"),
        ("tests: []", 1, "there is no test in the list"),
        ("tests:\n- name: x", 2, "the test has no condition"),
        ('tests:\n- condition: "BTCUSDT 1h: rsii < 30"\n  fires: []', 2, "did you mean rsi"),
        ('tests:\n- condition: "BTCUSDT 1h: close > 1"\n  fires: []', 2, "no candles of BINANCE:BTCUSDT 1h"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2", 2, "nothing is expected: write fires"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  fire: []", 4, "has no 'fire' (did you mean fires?)"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  fires: 2", 4, "fires is a list"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  fires: [x]", 4, "time 'x' cannot be read"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  fires: [2023-01-01]", 4, "no bar of BINANCE:BTCUSDT 1h opens at"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  fires_count: -1", 4, "a whole number from 0 on, not '-1'"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  truth: Q", 4, "'Q' is no truth"),
        (f"tests:\n- {CONDITION}\n  candles: 1 z\n  fires: []", 3, "close: 'z' is neither a value"),
        (f"tests:\n- {CONDITION}\n  candles: 1 U\n  fires: []", 3, "a candle has a value, or is missing: _"),
        (f"tests:\n- {CONDITION}\n  candles:\n    open: 1\n  fires: []", 4, "there is no close"),
        (f"tests:\n- {CONDITION}\n  candles:\n    close: 1 2\n    open: 1\n  fires: []", 5, "open has 1 bars"),
        (
            f"tests:\n- {CONDITION}\n  candles:\n    close: 1 2\n    open: 1 _\n  fires: []",
            5,
            "open: bar 1 has a candle",
        ),
        (f"tests:\n- {CONDITION}\n  candles:\n    ETHUSDT 1h: 1 2\n  fires: []", 4, "does not read BINANCE:ETHUSDT 1h"),
        (f"tests:\n- {CONDITION}\n  candles:\n    BTCUSDT 1h: 1\n    BTCUSDT: 1\n  fires: []", 5, "is there twice"),
        (f"tests:\n- {CONDITION}\n  candles: 1\n  candles: 2\n  fires: []", 4, "'candles' is there twice"),
        (f"tests:\n- {CONDITION}\n  start: 2024-01-01 00:30\n  candles: 1\n  fires: []", 4, "no slot of"),
        (
            f"tests:\n- {CONDITION}\n  indicators: {{ema(9): 1}}\n  fires: []",
            3,
            "not read ema(9); it reads rsi(14)",
        ),
        (f"tests:\n- {CONDITION}\n  indicators: {{close: 1}}\n  fires: []", 3, "'close' is no indicator"),
        (f"tests:\n- {CONDITION}\n  indicators: {{'rsi[1]': 1}}\n  fires: []", 3, "without [k]"),
        (f"tests:\n- {CONDITION}\n  candles: 1 _\n  indicators: {{rsi: 1 2}}\n  fires: []", 4, "bar 1 is missing"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  indicators: {{rsi: 1 _}}\n  fires: []", 4, "write U for a value"),
        (f"tests:\n- {CONDITION}\n  candles: 1 2\n  indicators: {{rsi: 1}}\n  fires: []", 4, "has 1 bars"),
        ("calendars: {BTCUSDT: weekdays}\ntests: []", 1, "'weekdays' is no calendar; write 24x7 or sessions"),
        (f"tests:\n- {CONDITION}\n  history: {{}}\n  fires: []", 3, "history names no file"),
        (f"tests:\n- {CONDITION}\n  history: {{file: gone.csv}}\n  fires: []", 3, "No such file"),
        (f"tests:\n- {CONDITION}\n  candles: 1\n  history: {{}}\n  fires: []", 3, "not both"),
    ],
)
def test_what_is_wrong(text: str, line: int | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    place = f"{path}: " if line is None else f"{path}:{line}: "
    with pytest.raises(RuleTestError, match=re.escape(says)) as raised:
        read_rule_tests(path)
    assert str(raised.value).startswith(place)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuleTestError, match=r"gone\.yaml: No such file"):
        read_rule_tests(tmp_path / "gone.yaml")


def test_recorded_candles_have_to_be_those_of_the_checksum(tmp_path: Path) -> None:
    recorded, path = tmp_path / "recorded.csv", tmp_path / "rules.yaml"
    recorded.write_text(RECORDED, encoding="utf-8")
    digest = hashlib.sha256(recorded.read_bytes()).hexdigest()

    def write(sha256: str) -> None:
        path.write_text(
            'tests:\n- condition: "BTCUSDT 1h: close > 10"\n  history:\n    file: recorded.csv\n'
            f"{sha256}  fires: [2024-01-01 01:00, 3]\n",
            encoding="utf-8",
        )

    write("")
    with pytest.raises(RuleTestError, match=f"history has no checksum; .* write sha256: {digest}"):
        read_rule_tests(path)
    write(f"    sha256: {digest}\n")
    (test,) = read_rule_tests(path)
    assert judge(test).failures == ()
    recorded.write_text(RECORDED.replace("11", "12"), encoding="utf-8")
    write(f"    sha256: {digest}\n")
    with pytest.raises(RuleTestError, match=r"rules\.yaml:5: .* has another checksum than the test was written for"):
        read_rule_tests(path)


def test_recorded_candles_may_be_cut(tmp_path: Path) -> None:
    recorded, path = tmp_path / "recorded.csv", tmp_path / "rules.yaml"
    recorded.write_text(RECORDED, encoding="utf-8")
    digest = hashlib.sha256(recorded.read_bytes()).hexdigest()
    path.write_text(
        'tests:\n- condition: "BTCUSDT 1h: every(close > 10)"\n'
        f"  history: {{file: recorded.csv, sha256: {digest}, since: 2024-01-01 01:00, until: 2024-01-01 03:00}}\n"
        "  fires: [0]\n  truth: T F _\n",
        encoding="utf-8",
    )
    (test,) = read_rule_tests(path)
    assert judge(test).failures == ()


def test_rows_that_are_no_candles_are_an_error(tmp_path: Path) -> None:
    recorded, path = tmp_path / "recorded.csv", tmp_path / "rules.yaml"
    recorded.write_text(RECORDED + "BTCUSDT,1h,2024-01-01 04:00,1,0,1,1,1\n", encoding="utf-8")
    digest = hashlib.sha256(recorded.read_bytes()).hexdigest()
    path.write_text(
        'tests:\n- condition: "BTCUSDT 1h: close > 10"\n'
        f"  history: {{file: recorded.csv, sha256: {digest}}}\n  fires: []\n",
        encoding="utf-8",
    )
    with pytest.raises(RuleTestError, match=r"1 rows are no candles; the first, in line 6"):
        read_rule_tests(path)
