"""The examples of docs/backtesting.md run, and the page names every caution."""

import re
from pathlib import Path
from typing import get_args

from analysis.backtesting.honesty import CautionKind

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "backtesting.md").read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    assert {"report", "swept"} <= set(names)


def test_every_caution_is_explained() -> None:
    assert all(f"`{kind}`" in PAGE for kind in get_args(CautionKind))
