"""What the pages for developers name is there: folders, modules, files, and decisions."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("CONTRIBUTING.md", "README.md", "docs/architecture.md", "docs/decisions.md")
TOPS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
PLACEHOLDER = re.compile(r"<[^>]*>|NNNN|\*")


def names_of_places(page: str) -> list[str]:
    """What stands in backticks, or in a link, and begins with a folder of the project or ends as a file does."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    quoted = re.findall(r"`([^`\s]+)`", text)
    below = [name for name in quoted if "/" in name and name.split("/")[0] in TOPS]
    files = [name for name in quoted if re.fullmatch(r"[\w.]+\.(py|md|toml|lock)", name)]
    links = [
        str((ROOT / page).parent.joinpath(link.partition("#")[0]).resolve().relative_to(ROOT))
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", text)
    ]
    return [name for name in dict.fromkeys(below + files + links) if not PLACEHOLDER.search(name)]


@pytest.mark.parametrize("page", PAGES)
def test_every_place_that_a_page_names_exists(page: str) -> None:
    names = names_of_places(page)
    assert len(names) > 10, names
    assert [name for name in names if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()] == []


def test_the_map_goes_through_every_folder_of_code() -> None:
    named = {name.split("/")[0] for name in names_of_places("docs/architecture.md")}
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert folders <= named


def test_the_index_has_every_decision_once() -> None:
    index, _, decisions = (ROOT / "docs/decisions.md").read_text().partition("\n### ")
    headings = re.findall(r"^### (.+)$", f"### {decisions}", flags=re.MULTILINE)
    assert len(headings) > 50
    links = re.findall(r"\[([^]]+)\]\(#([^)]+)\)", index)
    assert sorted(title for title, _ in links) == sorted(headings)
    for title, anchor in links:
        assert anchor == re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
