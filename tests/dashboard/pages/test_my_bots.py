"""The page My bots: what a key's owner sees of the own bots, and that nobody sees those of others."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from common.clock import ReplayClock
from common.timeframes import to_ms
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.accounts import ApiKey, Role
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy
from tests.api.served_hub import Hub
from tests.dashboard.conftest import CROSSING, Judged
from tests.registry.store.bot_changes import BTC, at, changes, new_bot, note, order, state
from tests.registry.store.serving import TOKEN, serving

OpenApp = Callable[..., AppTest]
NOW = to_ms(datetime(2024, 8, 7, tzinfo=UTC))
FIGURES: dict[str, Any] = {"base": "0.5", "quote": "-45.5", "fees": "0.30", "deals": 1, "orders": 2}
"""Of ann's bot; its price is 100.10."""


def deal(number: int, condition_id: str) -> dict[str, Any]:
    amounts = {"entry_quantity": "1", "entry_quote": "99.90", "exit_quantity": "1", "exit_quote": "104.4"}
    return {
        "number": number, "instrument": BTC, "deal": 1, "direction": "long", "condition_id": condition_id,
        "opened_at": at(1), "closed_at": at(9), "reason": "take profit", **amounts, "profit": "4.5",
    }  # fmt: skip


def action(number: int, condition_id: str) -> dict[str, Any]:
    return {
        "number": number, "instrument": BTC, "condition_id": condition_id, "closed_at": at(1), "role": "entry",
        "price": "99.90", "orders": 2,
    }  # fmt: skip


def key_of(store: Store, user: str, role: Role = "user") -> tuple[ApiKey, str]:
    key, text = new_key(user, role, "", 0)
    store.accounts.add_key(key)
    return key, text


def with_bots(store: Store, condition_id: str) -> None:
    """A bot of ann that has traded, one that has not, and a bot of bob."""
    for user, bot_id, secret in (("ann", "trader", "s3cret-a"), ("ann", "idler", "s3cret-b"), ("bob", "bobs", "s3c")):
        bot = new_bot(user, bot_id, condition_id, apiSecret=secret)
        store.bots.create(bot, DeliveryPolicy(), active_from_ms=0)
    traded, bobs = store.bots.bot("ann", "trader"), store.bots.bot("bob", "bobs")
    assert traded is not None
    assert bobs is not None
    number = traded.number
    store.bots.record(
        changes(
            state(number, 1, **FIGURES),
            state(bobs.number, 1, quote="777"),
            orders=[order(number, "o1"), order(number, "o2", 2, None), order(bobs.number, "bobs-order")],
            deals=[deal(number, condition_id)],
            actions=[action(number, condition_id)],
            notes=[note(number, "entered at the first trigger"), note(bobs.number, "a note of bob")],
        )
    )


@pytest.fixture
def folder(judged: Judged, tmp_path: Path) -> Path:
    """A copy of a judged store, to write into."""
    copied = tmp_path / "data"
    shutil.copytree(judged.folder, copied)
    return copied


def sign_in(app: AppTest, text: str) -> None:
    app.text_input(key="key-text").set_value(text)
    next(button for button in app.button if button.label == "Show my bots").click().run()


def everything(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.header, *app.info, *app.warning, *app.error, *app.code, *app.metric]
    options = [str(box.options) for box in app.selectbox]
    return "\n".join(
        [*(str(element.value) for element in shown), *options, *(frame.value.to_csv() for frame in app.dataframe)]
    )


def choose_bot(app: AppTest, bot_id: str) -> None:
    box = app.selectbox(key="bot")
    box.select_index(box.options.index(bot_id)).run()


def choose(app: AppTest, kind: str) -> pl.DataFrame:
    """What the bot did, of a kind: the last table."""
    app.button_group(key="kind").set_value(kind).run()
    assert not app.exception
    return pl.DataFrame(app.dataframe[-1].value)


def test_a_user_sees_how_the_own_bots_stand_and_what_they_did(judged: Judged, folder: Path, open_app: OpenApp) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        with_bots(store, judged.ids[CROSSING])
        _, text = key_of(store, "ann")
    app = open_app(folder, "my_bots")
    assert not app.dataframe
    sign_in(app, text)
    assert not app.exception
    assert pl.DataFrame(app.dataframe[0].value)["bot"].to_list() == ["idler", "trader"]
    choose_bot(app, "trader")
    shown = {metric.label: metric.value for metric in app.metric}
    # -45.5 of money, and half a coin at 100.10.
    assert (shown["Gain, USDT"], shown["Fees, USDT"], shown["Deals"], shown["Orders"]) == ("4.550", "0.30", "1", "2")
    deals = choose(app, "Deals")
    assert (deals["profit"].to_list(), deals["reason"].to_list()) == ([4.5], ["take profit"])
    assert deals["condition"].to_list() == [f"BINANCE:{CROSSING}"]
    # Newest first; one is at market.
    assert choose(app, "Orders").select("client_id", "price").rows() == [("o2", None), ("o1", 99.9)]
    triggers = choose(app, "Triggers")
    assert triggers.select("condition", "role", "orders").rows() == [(f"BINANCE:{CROSSING}", "entry", 2)]
    assert choose(app, "Notes")["text"].to_list() == ["entered at the first trigger"]
    app.button_group(key="kind").set_value("Fills").run()
    assert "No order of it was executed yet." in [info.value for info in app.info]


def test_nothing_of_others_and_no_configuration_is_shown(judged: Judged, folder: Path, open_app: OpenApp) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        with_bots(store, judged.ids[CROSSING])
        _, text = key_of(store, "ann")
        _, operators_text = key_of(store, "root", "operator")
    app = open_app(folder, "my_bots")
    assert "trader" not in everything(app)
    sign_in(app, text)
    for kind in ("Deals", "Orders", "Fills", "Triggers", "Notes"):
        app.button_group(key="kind").set_value(kind).run()
        assert not app.exception
        said = everything(app)
        assert "trader" in said
        assert not [word for word in ("bob", "777", "s3c", "baseOrderSize", text) if word in said]
    # Not even to an operator, whose key is that of a user like any other here.
    app = open_app(folder, "my_bots")
    sign_in(app, operators_text)
    assert "trader" not in everything(app)
    assert "hub bots create FILE" in [code.value for code in app.code]


def test_a_key_is_kept_neither_in_the_address_nor_in_the_session(folder: Path, open_app: OpenApp) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        key, text = key_of(store, "ann")
    app = open_app(folder, "my_bots")
    sign_in(app, text)
    kept = repr(app.session_state)
    assert key.key_id in kept
    assert text.rsplit("_", 1)[1] not in f"{kept} {app.query_params}"
    app.button(key="sign-out").click().run()
    assert not app.exception
    assert app.text_input(key="key-text").value == ""
    assert key.key_id not in repr(app.session_state)


@pytest.mark.parametrize("text", ["", "hub_nonsense", "wrong", "revoked"])
def test_a_wrong_or_revoked_key_shows_nothing_and_says_how_to_get_one(
    judged: Judged, folder: Path, open_app: OpenApp, text: str
) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        with_bots(store, judged.ids[CROSSING])
        key, right = key_of(store, "ann")
        if text == "revoked":
            store.accounts.revoke_key(key.key_id, at_ms=NOW)
    typed = {"wrong": right[:-1] + ("A" if right[-1] != "A" else "B"), "revoked": right}.get(text, text)
    app = open_app(folder, "my_bots")
    sign_in(app, typed)
    assert not app.exception
    assert "wrong or revoked" in app.error[0].value
    assert "hub keys create NAME" in [code.value for code in app.code]
    assert "trader" not in everything(app)


def test_an_empty_store_and_none_say_what_to_do(open_app: OpenApp, empty: Path, tmp_path: Path) -> None:
    with FileStore(empty / "store") as store:
        _, text = key_of(store, "ann")
    app = open_app(empty, "my_bots")
    sign_in(app, text)
    assert not app.exception
    assert "You have no bots" in app.info[0].value
    assert "hub bots create FILE" in [code.value for code in app.code]
    app = open_app(tmp_path / "nothing", "my_bots")
    sign_in(app, text)
    assert "no store yet" in app.info[0].value


def test_its_figures_are_those_of_the_api(
    judged: Judged, folder: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub(folder) as hub, serving(hub.store) as url:
        with_bots(hub.store, judged.ids[CROSSING])
        monkeypatch.setenv("HUB_STORE_URL", url)
        monkeypatch.setenv("HUB_STORE_TOKEN", TOKEN)
        app = open_app(folder, "my_bots")
        sign_in(app, hub.key("ann"))
        choose_bot(app, "trader")
        shown = {metric.label: metric.value for metric in app.metric}
        told = hub.as_user("ann").get("/bots/trader").json()
    (gain,) = told["gains"]
    assert gain["quote_currency"] == "USDT"
    assert (shown["Gain, USDT"], shown["Fees, USDT"]) == (gain["gain"], gain["fees"])
    assert (shown["Deals"], shown["Orders"]) == tuple(str(told["markets"][0][name]) for name in ("deals", "orders"))


def test_amounts_of_several_quote_currencies_stay_apart(judged: Judged, folder: Path, open_app: OpenApp) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        bot = replace(new_bot("ann", "both", judged.ids[CROSSING]), instruments=(BTC, "BINANCE:ETHBTC"))
        made, _ = store.bots.create(bot, DeliveryPolicy(), active_from_ms=0)
        store.bots.record(changes(state(made.number, 1, **FIGURES)))
        _, text = key_of(store, "ann")
    app = open_app(folder, "my_bots")
    sign_in(app, text)
    assert not app.exception
    row = pl.DataFrame(app.dataframe[0].value).row(0, named=True)
    assert (row["gain"], row["fees"]) == ("4.55 USDT, 0 BTC", "0.3 USDT, 0 BTC")
    shown = {metric.label: metric.value for metric in app.metric}
    assert [shown[f"Gain, {currency}"] for currency in ("USDT", "BTC")] == ["4.550", "0"]


def test_amounts_without_an_end_are_rounded(judged: Judged, folder: Path, open_app: OpenApp) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        made, _ = store.bots.create(new_bot("ann", "thirds", judged.ids[CROSSING]), DeliveryPolicy(), active_from_ms=0)
        store.bots.record(changes(state(made.number, 1, **FIGURES | {"base": "0", "fees": "1.3333333333333333"})))
        _, text = key_of(store, "ann")
    app = open_app(folder, "my_bots")
    sign_in(app, text)
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Gain, USDT"], shown["Fees, USDT"]) == ("-45.50", "1.33333333")


def test_who_came_in_with_a_users_key_sees_only_the_own_bots(
    judged: Judged, folder: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        with_bots(store, judged.ids[CROSSING])
        key, _ = key_of(store, "ann")
        operator, _ = key_of(store, "root", "operator")
    monkeypatch.setattr("dashboard.viewer._key_id_of_gate", lambda: key.key_id)
    app = open_app(folder)
    assert not app.exception
    assert [title.value for title in app.title] == ["My bots"]
    assert "trader" in everything(app)
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        app.switch_page("../pages/conditions.py")
    monkeypatch.setattr("dashboard.viewer._key_id_of_gate", lambda: operator.key_id)
    assert [title.value for title in open_app(folder).title] == ["Savings"]
    with FileStore(folder / "store", clock=ReplayClock(NOW)) as store:
        store.accounts.revoke_key(operator.key_id, at_ms=NOW)
    app = open_app(folder)
    assert not app.title
    assert "revoked" in app.error[0].value
