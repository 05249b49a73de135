"""``docs/operations.md``: its commands are there, and those that look for a fault work on a hub that runs."""

import re
import shlex
import subprocess
from collections.abc import Mapping

import pytest

import app_cli
from tests.docs.transcripts import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CONDITION = "9517ccf86119ff0a696eb853f3e6c250"
SYMPTOMS = {
    "Condition not triggering": ("registered", "subscription", "evaluation logs", "candles"),
    "Performance issues": ("cache hit rate", "store", "queue depth", "Indicator calculation time"),
}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```shell\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = (line.partition("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("title", SYMPTOMS)
def test_every_symptom_has_its_four_steps(title: str) -> None:
    steps = re.findall(r"^\*\*(\d)\. (.*?)\*\*", section(title), re.MULTILINE)
    assert [number for number, _ in steps] == ["1", "2", "3", "4"]
    for (_, step), word in zip(steps, SYMPTOMS[title], strict=True):
        assert word in step


@pytest.mark.parametrize("title", SYMPTOMS)
def test_what_looks_for_a_fault_works(title: str, environment: Mapping[str, str]) -> None:
    for command in commands(section(title)):
        shell = ["bash", "-o", "pipefail", "-c", command]
        done = subprocess.run(
            shell, check=False, env={**environment, "ID": CONDITION}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        assert done.stdout or done.stderr


@pytest.mark.parametrize("command", sorted({line for line in commands(PAGE) if line.startswith("hub ")}))
def test_every_command_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[1:]
    options = [word for word in words if word.startswith("--")]
    path = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    groups = {"keys", "store", "conditions", "candles", "events", "dead", "users", "instruments"}
    known = 1 + sum(word in groups for word in path)
    assert app_cli.run([*path[:known], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in options)


def test_the_settings_of_the_page_are_settings() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:HUB|REDIS)_[A-Z_]+?)(?:_\*)?`", PAGE))
    assert len(named) > 8
    assert all(name in example for name in named), named
