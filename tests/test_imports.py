"""The import line: `indicators <- registry <- events <- flows <- bots <- api, dashboard <- app_*`. None looks right."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINE = {"indicators": 0, "registry": 1, "events": 2, "flows": 3, "bots": 4, "api": 5, "dashboard": 5}
APPS = 6


def sources() -> list[Path]:
    packages = [path for name in LINE for path in sorted((ROOT / name).rglob("*.py"))]
    return packages + sorted(ROOT.glob("app_*.py"))


def place(module: str) -> int | None:
    top = module.split(".", maxsplit=1)[0]
    return APPS if top.startswith("app_") else LINE.get(top)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_to_its_right(path: Path) -> None:
    own = place(path.relative_to(ROOT).parts[0].removesuffix(".py"))
    assert own is not None
    for module in imported(path):
        other = place(module)
        # The entry points are one room.
        same_room = module.split(".")[0] == path.relative_to(ROOT).parts[0] or other == own == APPS
        assert other is None or other < own or same_room, f"{path.relative_to(ROOT)} imports {module}"


HEAVY = (
    "numba", "llvmlite", "polars", "duckdb", "pyarrow", "pandas", "redis", "prefect", "sqlalchemy", "fastapi",
    "uvicorn", "streamlit",
)  # fmt: skip
HELP = """
import contextlib, io, app_cli
sys.argv = ["hub", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
    app_cli.main()
assert "Commands" in shown.getvalue()
"""


def loaded_by(statement: str) -> set[str]:
    probe = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(shown.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import registry", set()),
        ("import registry.store", set()),
        ("import registry.client", set()),
        ("import indicators", set()),
        ("import app_cli", set()),
        pytest.param(HELP, set(), id="hub --help"),
        ("import flows, flows.plan, flows.evaluate", {"polars"}),
    ],
)
def test_what_an_import_costs(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed


def test_the_client_is_loaded_only_by_who_wants_it() -> None:
    probe = "import sys, registry; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "registry.conditions" in shown.stdout.split()
    assert not {"httpx", "registry.client"} & set(shown.stdout.split())
