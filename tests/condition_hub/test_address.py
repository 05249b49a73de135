"""Where a client finds the hub and its key: what it is told, the environment, the file .env."""

from pathlib import Path

import pytest

from common.settings import Settings
from condition_hub.address import DEFAULT_URL, find_address
from condition_hub.dotenv import read_dotenv
from condition_hub.errors import SettingsError

LINES = [
    "HUB_API_KEY=hub_1",
    "export HUB_API_KEY=hub_1",
    "  HUB_API_KEY =  hub_1  ",
    'HUB_API_KEY="hub_1"',
    "HUB_API_KEY='hub_1' # mine",
    "HUB_API_KEY=hub_1 # mine",
    "HUB_API_KEY=hub#1",
    "hub_api_key=hub_1",
    "# HUB_API_KEY=hub_1",
    "HUB_API_KEY=",
    "OTHER=1\n\nHUB_API_KEY=hub_0\nHUB_API_KEY=hub_1\n",
    "not a setting\nHUB_API_KEY=hub_1",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("HUB_API_KEY", "HUB_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_dotenv_file_is_read_as_the_hub_reads_it(elsewhere: Path, line: str) -> None:
    elsewhere.joinpath(".env").write_text(line)
    settings = Settings()
    expected = settings.api_key.get_secret_value() if settings.api_key is not None else None
    assert read_dotenv(Path(".env")).get("HUB_API_KEY") == expected


def test_arguments_win_over_the_environment_and_that_over_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere.joinpath(".env").write_text("HUB_API_KEY=hub_file\nHUB_API_URL=http://file:1")
    assert find_address(None, None).url == "http://file:1"
    monkeypatch.setenv("HUB_API_URL", "http://environment:1/")
    address = find_address(None, "hub_argument")
    assert (address.url, address.api_key) == ("http://environment:1", "hub_argument")
    assert find_address("https://argument", None).api_key == "hub_file"


def test_without_settings_it_is_this_machine() -> None:
    assert find_address(None, "hub_1").url == DEFAULT_URL == Settings().api_url


def test_a_file_that_cannot_be_read_is_named(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere.joinpath(".env").write_text("HUB_API_KEY=hub_1")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match=r"\.env cannot be read \(Permission denied\)"):
        find_address(None, None)
