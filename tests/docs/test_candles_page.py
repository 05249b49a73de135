"""``docs/candles.md``: its options, kinds of files, column words and grids are those of the import."""

import inspect
import re

from candles.files.columns import ROLES
from candles.files.tables import is_candle_file
from common.grids import Grid
from hub.cli import candles
from tests.docs.transcripts import ROOT

PAGE = (ROOT / "docs" / "candles.md").read_text(encoding="utf-8")


def test_the_options_are_there() -> None:
    named = {option.replace("-", "_") for option in re.findall(r"--([a-z-]+)", PAGE)}
    commands = (candles.import_, candles.delete)
    known = {name for command in commands for name in inspect.signature(command).parameters}
    assert named <= known
    assert known - named <= {"paths", "series", "json_output", "until"}


def test_the_kinds_of_files_are_read() -> None:
    suffixes = set(re.findall(r"`(\.[a-z]+)`", PAGE)) - {".gz"}
    assert suffixes > {".csv", ".xlsx", ".jsonl"}
    for suffix in suffixes - {".txt"}:
        assert is_candle_file(ROOT / f"prices{suffix}"), suffix


def test_the_words_of_columns_are_all_of_them() -> None:
    assert f"`{' '.join(ROLES)}`" in PAGE


def test_the_grids_can_be_read() -> None:
    table = PAGE.split("## Grids")[1].split("## ")[0]
    grids = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(grids) >= 5
    assert [str(Grid.parse(text)) for text in grids] == grids
