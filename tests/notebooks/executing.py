"""Executes the notebooks: each is a source in ``notebooks/``, and an executed copy beside it.

python -m tests.notebooks.executing [NAME ...]      executes them and writes the copies, all by default
"""

import os
import sys
from pathlib import Path

import jupytext  # type: ignore[import-untyped, unused-ignore]
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
_PATIENCE_S = 1_800


def source_of(path: Path) -> NotebookNode:
    """A notebook as its source has it, without outputs."""
    notebook: NotebookNode = jupytext.read(path, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        # Of its own accord, every reading would name the cells anew.
        cell["id"] = f"cell-{number}"
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def executed(path: Path) -> NotebookNode:
    """A notebook with its outputs; raises what its first failing cell raises."""
    os.environ["PYTHONPATH"] = str(ROOT)
    notebook = source_of(path)
    client = NotebookClient(
        notebook,
        timeout=_PATIENCE_S,
        startup_timeout=_PATIENCE_S,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(ROOT)}},
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # Frames and reports show themselves; their text says the same again, with addresses in memory.
            if "text/html" in output.get("data", {}):
                output["data"].pop("text/plain", None)
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """A notebook as its file has it."""
    return f"{nbformat.writes(notebook, version=4)}\n"  # type: ignore[no-untyped-call]


def read(path: Path) -> NotebookNode:
    """An executed copy."""
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-any-return, no-untyped-call]


def main(names: list[str]) -> None:
    """Write the executed copies."""
    for path in SOURCES:
        if not names or path.stem in names:
            path.with_suffix(".ipynb").write_text(as_text(executed(path)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
