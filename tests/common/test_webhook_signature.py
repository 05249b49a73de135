"""Signatures of webhooks: with the secret they can be verified, and without it nobody can make one."""

import hashlib
import hmac
import subprocess
import sys

import pytest

from common import webhook_signature
from common.webhook_signature import headers, verify

BODY = b'{"event":{"seq":7}}'
NOW = 1_722_945_600


def test_a_signature_is_what_the_documentation_says() -> None:
    expected = hmac.new(b"secret", b"1722945600.id-1." + BODY, hashlib.sha256).hexdigest()
    assert headers("secret", NOW, "id-1", BODY) == {
        "Hub-Delivery": "id-1",
        "Hub-Timestamp": "1722945600",
        "Hub-Signature": f"v1={expected}",
    }


def test_it_verifies_in_any_case_and_beside_others() -> None:
    sent = headers("secret", NOW, "id-1", BODY)
    assert verify("secret", sent, BODY, now_s=NOW + 299)
    assert verify("secret", {name.lower(): value for name, value in sent.items()}, BODY, now_s=NOW - 299)
    assert verify("secret", sent | {"Hub-Signature": f"v1=00, {sent['Hub-Signature']}"}, BODY, now_s=NOW)


@pytest.mark.parametrize(
    ("change", "body", "now_s"),
    [
        ({}, BODY + b" ", NOW),
        ({}, BODY, NOW + 301),
        ({}, BODY, NOW - 301),
        ({"Hub-Timestamp": str(NOW + 1)}, BODY, NOW),
        ({"Hub-Timestamp": "now"}, BODY, NOW),
        ({"Hub-Timestamp": "१७"}, BODY, NOW),
        ({"Hub-Timestamp": "9" * 40}, BODY, NOW),
        ({"Hub-Delivery": "id-2"}, BODY, NOW),
        ({"Hub-Signature": "v1="}, BODY, NOW),
        ({"Hub-Signature": "é"}, BODY, NOW),
        ({"Hub-Signature": ""}, BODY, NOW),
    ],
)
def test_a_changed_or_old_delivery_does_not_verify(change: dict[str, str], body: bytes, now_s: float) -> None:
    assert not verify("secret", headers("secret", NOW, "id-1", BODY) | change, body, now_s=now_s)


def test_another_secret_or_missing_headers_do_not_verify() -> None:
    assert not verify("other", headers("secret", NOW, "id-1", BODY), BODY, now_s=NOW)
    assert not verify("secret", {}, BODY, now_s=NOW)


def test_it_needs_the_standard_library_alone() -> None:
    source = webhook_signature.__file__
    code = f"import runpy; runpy.run_path({source!r})['verify']('s', {{}}, b'')"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)
