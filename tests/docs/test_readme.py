"""What the README says in Python runs, and gives what it says."""

import re
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def test_there_is_something_to_run() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    triggers = names.get("triggers")
    if triggers is not None:
        assert isinstance(triggers, pl.DataFrame)
        assert triggers.height > 100
        assert triggers.columns[0] == "condition_id"
        assert f"shape: ({triggers.height}, " in capsys.readouterr().out


def test_equal_spellings_share_an_id() -> None:
    (claim,) = [line for block in BLOCKS for line in block.splitlines() if "==" in line]
    names: dict[str, object] = {}
    exec("from registry import Condition", names)
    assert eval(claim.partition("  #")[0], names) is True
