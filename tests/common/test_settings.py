"""Settings that are JSON or lists, right and wrong."""

import pytest

from common.errors import SettingsError
from common.settings import load_settings


@pytest.mark.parametrize(
    ("text", "urls"),
    [("", {}), ("{}", {}), ('{"binance": "http://127.0.0.1:9000"}', {"binance": "http://127.0.0.1:9000"})],
)
def test_addresses_of_exchanges(monkeypatch: pytest.MonkeyPatch, text: str, urls: dict[str, str]) -> None:
    monkeypatch.setenv("HUB_EXCHANGE_URLS", text)
    assert load_settings().exchange_urls == urls


@pytest.mark.parametrize("text", ["binance=http://127.0.0.1:9000", "[1]", '{"binance": 1}'])
def test_addresses_that_cannot_be_read_are_said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HUB_EXCHANGE_URLS", text)
    with pytest.raises(SettingsError, match="HUB_EXCHANGE_URLS"):
        load_settings()


def test_what_is_wrong_with_an_account_is_said_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ('{"main": {"exchange": "binance", "secret": "shibboleth"}}', "main=shibboleth"):
        monkeypatch.setenv("HUB_EXCHANGE_ACCOUNTS", text)
        with pytest.raises(SettingsError, match="HUB_EXCHANGE_ACCOUNTS") as raised:
            load_settings()
        assert "shibboleth" not in str(raised.value)


def test_what_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_WITHOUT", "dashboard, ingest")
    assert load_settings().without == ("dashboard", "ingest")
    monkeypatch.setenv("HUB_WITHOUT", "dashbord")
    with pytest.raises(SettingsError, match="HUB_WITHOUT"):
        load_settings()


def test_a_password_in_the_address_of_the_store_is_not_shown() -> None:
    assert "shibboleth" not in repr(load_settings(store_url="postgresql://hub:shibboleth@db/hub"))
