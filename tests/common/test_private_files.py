"""Places that only their owner can open."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.private_files import close_to_others, exposed, files_of_hub, make_private_folder, write_private


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that lets everybody read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_missing_folders_are_created_for_one_user(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    make_private_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "file")


def test_a_file_that_was_open_to_others_is_not_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    assert mode(path) == 0o644
    write_private(path, "new")
    assert (mode(path), path.read_text()) == (0o600, "new")


def test_what_is_open_is_found_and_closed_and_executables_stay_executable(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    (folder / "program").touch()
    (folder / "program").chmod(0o755)
    (folder / "private").touch(mode=0o600)
    places = [folder, folder / "program", folder / "private", folder / "gone"]
    assert exposed(places) == places[:2]
    assert close_to_others(places) == places[:2]
    assert [mode(place) for place in places[:3]] == [0o700, 0o700, 0o600]
    assert close_to_others(places) == []


def test_what_a_link_points_to_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("somebody else's")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert close_to_others([link]) == []
    assert mode(target) == 0o644


def test_only_what_the_hub_writes_in_its_data_folder_is_touched(tmp_path: Path) -> None:
    for name in ("store/registry.duckdb", "events/appendonlydir/a.aof", "store_token", "bot.ledger", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    names = {str(path.relative_to(tmp_path)) for path in files_of_hub(tmp_path)}
    assert names == {
        *(".", "store", "store/registry.duckdb", "store_token", "bot.ledger"),
        *("events", "events/appendonlydir", "events/appendonlydir/a.aof"),
    }
