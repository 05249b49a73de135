"""docs/notebooks.md: its Python runs as it stands, and it lists every notebook."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")


def test_its_python_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/notebooks.md", "exec"), names)
    assert names["preview"].triggers > 0
    assert "rsi(14)" in names["explanation"]._repr_html_()


def test_it_lists_every_notebook() -> None:
    listed = re.findall(r"\]\(\.\./notebooks/(\w+)\.ipynb\)", PAGE)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
