"""Signatures of webhooks: with the secret they can be verified, and without it nobody can make one."""

import base64
import hashlib
import hmac
import subprocess
import sys

import pytest

from common import webhook_signature
from common.webhook_signature import headers, new_secret, sign, verify

BODY = b'{"event":{"seq":7}}'
NOW = 1_722_945_600


def test_a_signature_is_what_the_documentation_says() -> None:
    expected = base64.b64encode(hmac.new(b"secret", b"id-1.1722945600." + BODY, hashlib.sha256).digest()).decode()
    assert headers("secret", NOW, "id-1", BODY) == {
        "webhook-id": "id-1",
        "webhook-timestamp": "1722945600",
        "webhook-signature": f"v1,{expected}",
    }


def test_it_is_the_one_that_standard_webhooks_publishes() -> None:
    """The example of the specification's reference libraries."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert sign(secret, 1_614_265_330, "msg_p5jXN8AQM9LWM0D4loKWxJek", body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_secret_is_read_in_either_alphabet_of_base64() -> None:
    key = bytes(range(224, 256))
    encoded = base64.b64encode(key).decode()
    unpadded = base64.urlsafe_b64encode(key).decode().rstrip("=")
    assert encoded.rstrip("=") != unpadded
    assert sign(f"whsec_{encoded}", NOW, "id-1", BODY) == sign(f"whsec_{unpadded}", NOW, "id-1", BODY)
    with pytest.raises(ValueError, match="copy it whole"):
        sign("whsec_a", NOW, "id-1", BODY)


def test_a_new_secret_is_32_random_bytes() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


def test_it_verifies_in_any_case_and_beside_others() -> None:
    sent = headers("secret", NOW, "id-1", BODY)
    assert verify("secret", sent, BODY, now_s=NOW + 299)
    assert verify("secret", {name.title(): value for name, value in sent.items()}, BODY, now_s=NOW - 299)
    several = f"v1,AAAA v1a,BBBB {sent['webhook-signature']}"
    assert verify("secret", sent | {"webhook-signature": several}, BODY, now_s=NOW)


@pytest.mark.parametrize(
    ("change", "body", "now_s"),
    [
        ({}, BODY + b" ", NOW),
        ({}, BODY, NOW + 301),
        ({}, BODY, NOW - 301),
        ({"webhook-timestamp": str(NOW + 1)}, BODY, NOW),
        ({"webhook-timestamp": "now"}, BODY, NOW),
        ({"webhook-timestamp": "१७"}, BODY, NOW),
        ({"webhook-timestamp": "9" * 40}, BODY, NOW),
        ({"webhook-id": "id-2"}, BODY, NOW),
        ({"webhook-signature": "v1,"}, BODY, NOW),
        ({"webhook-signature": "é"}, BODY, NOW),
        ({"webhook-signature": ""}, BODY, NOW),
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
