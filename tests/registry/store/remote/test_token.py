"""The token of a data folder: made once, for its owner's eyes only."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from common.errors import StoreNotWritable
from common.settings import Settings
from registry.store.remote.token import client_token, owner_token


def test_clients_of_the_same_folder_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_STORE_TOKEN", raising=False)
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    assert client_token(settings) is None
    token = owner_token(settings)
    assert len(token) >= 43
    assert owner_token(settings) == client_token(settings) == token
    (file,) = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_setting_wins_and_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", store_token=SecretStr("of the environment"), _env_file=None)
    assert owner_token(settings) == client_token(settings) == "of the environment"
    assert "of the environment" not in repr(settings)
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_STORE_TOKEN", raising=False)
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StoreNotWritable, match="HUB_DATA_DIR"):
        owner_token(Settings(data_dir=tmp_path / "data", _env_file=None))
