"""``hub webhooks`` for users: what would be posted is shown before anything is stored, and secrets never are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import app_cli
from tests.api.served_hub import Hub, a_hub

TELEGRAM = ("--preset", "telegram", "--option", "chat_id=42", "--secret", "token=TG_TOKEN", "--name", "alerts")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with a_hub(tmp_path / "hub") as served:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HUB_API_URL", served.url)
        monkeypatch.setenv("HUB_API_KEY", served.key("ann"))
        monkeypatch.setenv("TG_TOKEN", "1:s3cret")
        yield served


def test_a_webhook_is_previewed_made_and_deleted(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*words: str) -> tuple[int, str, str]:
        code = app_cli.run(["webhooks", *words])
        out, err = capsys.readouterr()
        assert "1:s3cret" not in out + err
        return code, out, err

    code, out, err = shown("preview", *TELEGRAM)
    assert (code, out.splitlines()[0]) == (0, "POST https://api.telegram.org/bot***/sendMessage")
    assert "hub webhooks create makes it" in err
    assert hub.store.delivery.webhooks("ann") == []
    code, out, err = shown("create", *TELEGRAM)
    (made,) = hub.store.delivery.webhooks("ann")
    assert (code, out.strip(), "whsec_" in err) == (0, made.webhook_id, True)
    assert made.secrets == {"token": "1:s3cret"}
    assert "posts this already" in shown("preview", *TELEGRAM)[2]
    assert "there was one" in shown("create", *TELEGRAM)[2]
    changed = shown("preview", *TELEGRAM, "--option", "text=now", "--json")[1]
    assert (json.loads(changed)["changes"], json.loads(json.loads(changed)["body"])["text"]) == (["body"], "now")
    assert json.loads(shown("delete", made.webhook_id, "--json")[1]) == {"webhook_id": made.webhook_id, "ended": True}
    assert "is not there" in shown("delete", made.webhook_id)[2]


def test_a_body_of_ones_own_comes_from_a_file(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    Path("body.json").write_text('{"p": "{{ event.price }}"}')
    Path("body.txt").write_text("buy {{ pair }}\n")
    for name, body in (("body.json", '{"p": 49770.1}'), ("body.txt", "buy BTC/USDT")):
        assert app_cli.run(["webhooks", "preview", "--url", "https://a.example/x", "--body", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["body"] == body


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "telegram", "--secret", "token=NO_SUCH"), "variable NO_SUCH is not set"),
        (("--preset", "telegram", "--option", "42"), "NAME=VALUE"),
        (("--preset", "telegram", "--secret", "token=TG_TOKEN"), "needs the option chat_id"),
        (("--url", "https://a.example/x", "--body", "none.json"), "cannot read none.json"),
    ],
)
def test_what_is_wrong_is_said(hub: Hub, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert app_cli.run(["webhooks", "preview", *words]) == 1
    assert said in capsys.readouterr().err


def test_presets_are_listed(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["webhooks", "presets"]) == 0
    out = capsys.readouterr().out
    assert "freqtrade_forceenter" in out
    assert all(len(line) <= 80 for line in out.splitlines())
