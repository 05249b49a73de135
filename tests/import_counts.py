"""How the folders of code hang together, as figures.

    python -m tests.import_counts [ROOT]

prints, of the checkout at ROOT (this one by default): the folders and files of code, the imports that cross from one
folder to another, how many of them cross between top-level folders, the modules that import each other in a circle, and
the imports that go against the line. An import is one imported module in one importing file; generated kernels import
nothing of interest and are left out.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASIDE = {"tests", "benchmarks", "_kernels"}


def modules(root: Path) -> dict[str, Path]:
    """Name -> file of every module of code under a root."""
    packages = {path.parent for path in root.glob("*/__init__.py")} - {root / name for name in ASIDE}
    files = [path for folder in sorted(packages) for path in sorted(folder.rglob("*.py"))] + sorted(
        root.glob("app_*.py")
    )
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
        if not ASIDE & set(path.relative_to(root).parts)
    }


def imports(path: Path, known: Mapping[str, Path], *, lazily: bool = True) -> set[str]:
    """The known modules that a file imports; without ``lazily`` only those that it imports when it is loaded."""
    imported = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazily else tree.body:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                imported.add(module if module in known else node.module)
    return {name for name in imported if name in known and known[name] != path}


def circles(known: Mapping[str, Path]) -> list[set[str]]:
    """Modules that import each other when they are loaded, directly or by way of others (Tarjan)."""
    graph = {name: imports(path, known, lazily=False) for name, path in known.items()}
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    closed: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            place = stack.index(name)
            closed.append(set(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in order:
            visit(name)
    return [circle for circle in closed if len(circle) > 1]


def crossing(root: Path, known: Mapping[str, Path]) -> Iterator[tuple[Path, Path]]:
    """(importing file, imported file) of every import that leaves its folder."""
    for path in known.values():
        for name in imports(path, known):
            if known[name].parent != path.parent:
                yield path, known[name]


def main() -> None:
    """Print the figures."""
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    known = modules(root)
    pairs = list(crossing(root, known))

    def top(path: Path) -> str:
        return path.relative_to(root).parts[0]

    between = [(top(source), top(target)) for source, target in pairs if top(source) != top(target)]
    rows = {
        "folders": len({path.parent for path in known.values()}),
        "files": len(known),
        "imports that leave their folder": len(pairs),
        "imports that leave their top-level folder": len(between),
        "pairs of top-level folders": len(set(between)),
        "pairs of top-level folders that import each other": sum((b, a) in set(between) for a, b in set(between)) // 2,
        "circles of modules": len(circles(known)),
    }
    for name, count in rows.items():
        sys.stdout.write(f"{count:>6,}  {name}\n")


if __name__ == "__main__":
    main()
