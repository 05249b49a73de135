"""Names say what they stand for: one meaning for each class, and no value that is merely held, found or given."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    "condition_hub", "common", "indicators", "registry", "engine", "candles", "analysis", "events", "flows", "bots",
    "api", "dashboard", "hub",
)  # fmt: skip
SAY_NOTHING = {"held", "found", "given"}
EVERYWHERE = {"INDICATOR", "SCRATCH", "T", "Config", "State"}
"""What each indicator's module, each generated kernel, any generic function and each bot has of its own."""


def sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_kernels" not in path.relative_to(ROOT).parts
    ]


def names_of_values(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of all that is assigned, looped over or passed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def types_of(tree: ast.Module) -> Iterator[str]:
    """The classes of a module, and the types that it has a name for."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if name[0].isupper() and not name.isupper())


def test_no_value_is_called_held_found_or_given() -> None:
    vague = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources(*FOLDERS, "benchmarks", "tests")
        for line, name in names_of_values(ast.parse(path.read_text(encoding="utf-8")))
        if name in SAY_NOTHING
    ]
    assert not vague, "say what they hold:\n" + "\n".join(vague)


def test_a_class_name_has_one_meaning() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sources(*FOLDERS):
        for name in types_of(ast.parse(path.read_text(encoding="utf-8"))):
            homes[name].append(str(path.relative_to(ROOT)))
    assert "Condition" in homes
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in EVERYWHERE}
    assert not twice


@pytest.mark.parametrize("path", sources(*FOLDERS), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_series_and_groups_take_their_texts_apart(path: Path) -> None:
    if path == ROOT / "registry" / "groups.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "split" in node.func.attr:
            assert ast.unparse(node.args[0] if node.args else node) not in {"' '", "' + '"}, f"{path}:{node.lineno}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "string_split" not in node.value, f"{path}:{node.lineno}"
