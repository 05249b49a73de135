"""``hub test`` from the outside: outcomes, exit codes, JSON, JUnit's XML; it needs no store."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

import app_cli

RULES = """
tests:
  - name: falls below 30
    condition: "BTCUSDT 1h: rsi crosses_below 30"
    indicators: {rsi: 35 29 25}
    fires: [1]
  - name: <never> & "always"
    condition: "BTCUSDT 1h: close > sma(2)"
    candles: 1 2 3
    fires: [2]
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("rules.yaml")
    path.write_text(RULES, encoding="utf-8")
    return path


def test_outcomes_and_their_exit_code(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["test", str(rules)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("ok      falls below 30\nFAILED  <never>")
    assert "rules.yaml:7" in shown.out
    assert "bar 2, 2024-01-01 02:00: it does not fire, as is expected" in shown.out
    assert shown.err == "error: 1 of 2 tests failed\n"
    assert max(map(len, shown.out.splitlines())) <= 80
    assert not Path("data").exists()
    rules.write_text(RULES.replace("fires: [2]", "fires: []"), encoding="utf-8")
    assert app_cli.run(["test", str(rules)]) == 0


def test_json(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["test", str(rules), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["tests"], shown["failed"]) == (2, 1)
    first, second = shown["outcomes"]
    assert (first["passed"], first["fires"], first["failures"]) == (True, [1], [])
    assert (second["line"], second["name"], len(second["failures"])) == (7, '<never> & "always"', 1)


def test_junit(rules: Path) -> None:
    assert app_cli.run(["test", str(rules), "--junit", "outcomes.xml"]) == 1
    root = ElementTree.parse("outcomes.xml").getroot()
    assert root.tag == "testsuites"
    assert root.attrib == {"tests": "2", "failures": "1"}
    (suite,) = root
    assert suite.attrib == {"name": "rules.yaml", "tests": "2", "failures": "1"}
    passed, failed = suite
    assert (passed.attrib["classname"], passed.attrib["name"]) == ("rules", "falls below 30")
    assert len(passed) == 0
    assert failed.attrib["name"] == '<never> & "always"'
    (failure,) = failed
    assert failure.text == failure.attrib["message"]


def test_a_folder_stands_for_its_files(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    below = Path("more") / "rules.yml"
    below.parent.mkdir()
    below.write_text(RULES, encoding="utf-8")
    assert app_cli.run(["test", ".", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["tests"] == 4
    Path("empty").mkdir()
    assert app_cli.run(["test", "empty"]) == 1
    assert "no YAML files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["test"], 2, ""),
        (["test", "gone.yaml"], 1, "error: gone.yaml: No such file"),
        (["test", "rules.yaml", "--junit", "no/folder.xml"], 1, "--junit no/folder.xml: No such file"),
    ],
)
def test_what_cannot_be_done(
    rules: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rules.exists()
    assert app_cli.run(arguments) == code
    assert says in capsys.readouterr().err
