"""The import line: no folder imports one to its right, and some imports cost nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINE = (
    "condition_hub", "common", "indicators", "registry", "engine", "candles", "analysis", "events", "flows", "bots",
    ("api", "dashboard"), "hub",
)  # fmt: skip
"""From left to right; what stands side by side does not know each other."""
PLACES = {name: place for place, names in enumerate(LINE) for name in ((names,) if isinstance(names, str) else names)}
APPS = len(LINE)


def sources() -> list[Path]:
    packages = [path for name in PLACES for path in sorted((ROOT / name).rglob("*.py"))]
    return packages + sorted(ROOT.glob("app_*.py"))


def place(module: str) -> int | None:
    top = module.split(".", maxsplit=1)[0]
    return APPS if top.startswith("app_") else PLACES.get(top)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            names.add(node.module or "")
    return names


def test_every_folder_of_code_has_its_place() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders - {"benchmarks"} <= set(PLACES)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_to_its_right(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0].removesuffix(".py")
    own = place(top)
    assert own is not None
    for module in imported(path):
        other = place(module)
        assert other is None or other < own or module.split(".")[0] == top, f"{path.relative_to(ROOT)} imports {module}"


PURE = [path for name in ("engine", "analysis") for path in sorted((ROOT / name).rglob("*.py"))]


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_engine_and_analysis_know_no_store_no_log_and_no_prefect(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & {"prefect", "redis", "duckdb"}


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
        ("import condition_hub", set()),
        ("from condition_hub import HubClient", set()),
        ("import common", set()),
        ("import registry", set()),
        ("import registry.store", set()),
        ("import registry.client", set()),
        ("import indicators", set()),
        ("import app_cli", set()),
        pytest.param(HELP, set(), id="hub --help"),
        ("import engine, engine.plan, engine.evaluate, engine.history", {"polars"}),
        ("import analysis", {"polars"}),
    ],
)
def test_what_an_import_costs(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed


def test_the_client_is_loaded_only_by_who_wants_it() -> None:
    probe = "import sys, registry; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "registry.conditions" in shown.stdout.split()
    assert not {"httpx", "msgspec", "condition_hub.public", "registry.client"} & set(shown.stdout.split())
