"""Notebooks run, and their executed copies are those of their sources."""

from pathlib import Path

import pytest

from tests.notebooks.executing import SOURCES, executed, read, source_of

_MOST_BYTES = 400_000


def test_there_are_notebooks() -> None:
    assert {path.stem for path in SOURCES} >= {"one_condition", "a_sweep", "what_sharing_saves"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_executed_copy_is_that_of_the_source(path: Path) -> None:
    copy_path = path.with_suffix(".ipynb")
    copy, source = read(copy_path), source_of(path)
    again = "execute it again: python -m tests.notebooks.executing"
    assert [(cell.cell_type, cell.source) for cell in copy.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ], again
    code = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), again
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert copy_path.stat().st_size < _MOST_BYTES
    assert "/tmp/" not in copy_path.read_text(encoding="utf-8"), "a copy names no folder of a machine"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_it_runs(path: Path) -> None:
    outputs = [output for cell in executed(path).cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
