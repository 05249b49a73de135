"""A client cannot choose the address that it is counted under."""

import logging
from ipaddress import ip_network
from pathlib import Path

import pytest

from api.http.proxies import TrustedProxies, sender
from common.errors import SettingsError
from common.settings import load_settings
from tests.api.served_hub import a_hub

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_header_counts_as_far_as_trusted_proxies_wrote_it(peer: str, forwarded: list[str], client: str) -> None:
    assert TrustedProxies(NETWORKS).client(peer, forwarded) == client
    assert TrustedProxies([]).client(peer, forwarded) in (peer, peer.removeprefix("::ffff:"))


def test_a_network_of_ipv6_addresses_is_one_sender() -> None:
    assert sender("2001:db8:0:1::1") == sender("2001:db8:0:1:ffff::2") != sender("2001:db8:0:2::1")
    assert [sender(address) for address in ("198.51.100.1", "", "unix")] == ["198.51.100.1", "", "unix"]


def test_networks_are_read_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_API_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1 ,::1")
    assert [str(network) for network in load_settings().api_trusted_proxies] == [
        "10.0.0.0/8",
        "127.0.0.1/32",
        "::1/128",
    ]
    for wrong in ("10.0.0.1/8", "proxy", "*"):
        monkeypatch.setenv("HUB_API_TRUSTED_PROXIES", wrong)
        with pytest.raises(SettingsError, match="HUB_API_TRUSTED_PROXIES"):
            load_settings()


@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
def test_wrong_keys_are_counted_by_the_address_behind_a_trusted_proxy_only(
    tmp_path: Path, proxies: str, caplog: pytest.LogCaptureFixture
) -> None:
    # uvicorn would believe this, too.
    with (
        caplog.at_level(logging.INFO, "hub.api"),
        a_hub(tmp_path, api_rate_refused="3/hour", api_trusted_proxies=proxies) as hub,
    ):
        nobody = hub.nobody()
        statuses = [
            nobody.get("/indicators", headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code
            for number in range(5)
        ]
        assert statuses == ([401] * 5 if proxies else [401] * 3 + [429] * 2)
        assert hub.as_user("ann").get("/indicators").status_code == 200
    logged = [vars(record)["fields"]["address"] for record in caplog.records if record.message == "request"]
    assert logged == [*(f"198.51.100.{number}" if proxies else "127.0.0.1" for number in range(5)), None]
