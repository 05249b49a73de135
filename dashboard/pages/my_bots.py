"""A user's own bots: how they stand, their deals, orders and fills, and the triggers that they acted on."""

from decimal import Decimal
from functools import partial

import polars as pl
import streamlit as st

from bots.standing import Gain
from dashboard.data.own_bots import ROWS, ShownBot, key_with_text, own_bots, what_it_did
from dashboard.data.reading import read
from dashboard.view import View, drawn, view
from dashboard.viewer import has_typed, sign_in, sign_out, signed_in
from registry.store.parts.accounts import ApiKey
from registry.store.parts.bots import HistoryKind

_KINDS: dict[str, HistoryKind] = {
    "Deals": "deals",
    "Orders": "orders",
    "Fills": "fills",
    "Triggers": "actions",
    "Notes": "notes",
}
_EMPTY = {
    "Deals": "No deal has ended yet.",
    "Orders": "It has placed no order yet.",
    "Fills": "No order of it was executed yet.",
    "Triggers": "It has not acted on a trigger yet.",
    "Notes": "It has nothing to tell yet.",
}
_TIMES = {
    "opened_at": "opened",
    "closed_at": "closed",
    "placed_at": "placed",
    "filled_at": "filled",
    "noted_at": "noted",
    "candle_at": "last candle",
}
_DECIMALS = 8
_GAIN = "After fees; coins at the last close; over all of its markets of that quote currency"


def show() -> None:
    """Draw the page."""
    now = view("My bots", ranged=False)
    key = signed_in()
    if key is None:
        _ask()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Bots of `{key.user_id}`", width="content")
        if has_typed():
            st.button("Forget the key", icon=":material/logout:", type="tertiary", on_click=sign_out, key="sign-out")
    drawn(now, partial(_bots, key))


def _ask() -> None:
    """Ask for a key; what is typed is checked and then forgotten."""
    with st.form("key", clear_on_submit=True, width=480):
        text = st.text_input(
            "Your key",
            type="password",
            autocomplete="off",
            placeholder="hub_...",
            key="key-text",
            help="It is checked and not kept; this tab remembers whose it is until it is closed",
        )
        is_sent = st.form_submit_button("Show my bots")
    if is_sent:
        key = read(lambda url: key_with_text(url, text))
        if key is None:
            st.error("This key is wrong or revoked. An operator makes one:", icon=":material/key_off:")
        else:
            sign_in(key)
            st.rerun()
    else:
        st.info("Bots belong to a user, so this page asks whose you want to see. A key is made by:")
    st.code("hub keys create NAME", language="shell")


def _bots(key: ApiKey, now: View) -> None:
    bots = read(lambda url: own_bots(url, key.user_id))
    if not bots:
        st.info("You have no bots that the hub runs. Make one from its configuration:", icon=":material/info:")
        st.code("hub bots create FILE", language="shell")
        return
    active = [bot for bot in bots if bot.is_active]
    with st.container(horizontal=True):
        for label, value, meaning in (
            ("Active bots", len(active), "Those that have not closed in all of their markets"),
            ("Ended bots", len(bots) - len(active), "Their history stays"),
            ("In error", sum(_is_in_error(bot) for bot in active), "They do nothing until resumed or killed"),
            ("Deals ended", sum(bot.deals for bot in bots), "Of a grid, intervals that have bought and sold"),
            ("Open orders", sum(bot.orders for bot in active), "At the broker"),
        ):
            st.metric(label, value, format="localized", border=True, width="stretch", help=meaning)
    st.dataframe(
        pl.DataFrame(
            [_row(bot, now) for bot in bots],
            schema=["bot", "type", "account", "life", "status", "markets", "gain", "fees", "deals", "created"],
            orient="row",
        ),
        hide_index=True,
        placeholder="-",
        column_config={
            "gain": st.column_config.TextColumn(help=_GAIN),
            "deals": st.column_config.NumberColumn(format="localized", help="Those that have ended"),
        },
    )
    by_number = {bot.number: bot for bot in bots}
    chosen = st.selectbox("Bot", list(by_number), format_func=lambda number: _name(by_number[number]), key="bot")
    _bot(by_number[chosen], key, now)


def _bot(bot: ShownBot, key: ApiKey, now: View) -> None:
    st.header(bot.bot_id, anchor=False)
    with st.container(horizontal=True):
        for label, value, meaning in (
            *(figure for gain in bot.gains for figure in _figures(gain)),
            ("Deals", f"{bot.deals:,}", "Those that have ended"),
            ("Orders", f"{bot.orders:,}", "At the broker"),
        ):
            st.metric(label, value, border=True, width="stretch", help=meaning)
    for name, error in bot.markets.filter(pl.col("error").is_not_null()).select("instrument", "error").rows():
        st.error(f"In {name} it does nothing until it is resumed or killed: {error}")
        st.code(f"hub bots resume {bot.bot_id}", language="shell")
    _table(bot.markets.drop("error"), now)
    kind = st.segmented_control("What it did", list(_KINDS), default="Deals", required=True, key="kind") or "Deals"
    rows = read(lambda url: what_it_did(url, key.user_id, bot.number, _KINDS[kind]))
    if rows.is_empty():
        st.info(_EMPTY[kind])
        return
    _table(rows, now)
    st.caption(
        f"The newest {rows.height:,}, newest first; all of them: "
        f"`hub bots show {bot.bot_id} --what {'triggers' if kind == 'Triggers' else _KINDS[kind]}`."
        if rows.height == ROWS
        else "All of them, newest first."
    )


def _table(rows: pl.DataFrame, now: View) -> None:
    columns = {
        name: st.column_config.NumberColumn(_label(name), format="%.8g")
        if rows[name].dtype.is_float()
        else st.column_config.Column(_label(name))
        for name in rows.columns
    }
    times = {name: now.column(label) for name, label in _TIMES.items() if name in rows.columns}
    st.dataframe(rows, hide_index=True, placeholder="-", column_config={**columns, **times})


def _label(column: str) -> str:
    return column.replace("_", " ")


def _row(bot: ShownBot, now: View) -> tuple[object, ...]:
    statuses = ", ".join(sorted(set(bot.markets["status"])))
    markets = ", ".join(bot.markets["instrument"])
    life = "active" if bot.is_active else "ended"
    gain = ", ".join(f"{float(one.gain):.8g} {_currency(one)}" for one in bot.gains)
    fees = ", ".join(f"{float(one.fees):.8g} {_currency(one)}" for one in bot.gains)
    figures = (gain, fees, bot.deals)
    return (bot.bot_id, bot.kind, bot.account, life, statuses, markets, *figures, now.show(bot.created_ms))


def _figures(gain: Gain) -> list[tuple[str, str, str]]:
    """Label, amount and meaning of what was gained and paid in one quote currency."""
    currency = _currency(gain)
    return [
        (f"Gain, {currency}", _amount(gain.gain), _GAIN),
        (f"Fees, {currency}", _amount(gain.fees), "Over all of its markets of that quote currency"),
    ]


def _amount(amount: Decimal) -> str:
    """As exact as the smallest unit of most coins; averages of prices have no end."""
    rounded = round(amount, _DECIMALS)
    return f"{amount if rounded == amount else rounded:f}"


def _currency(gain: Gain) -> str:
    return gain.quote_currency or f"in {gain.instruments[0]}"


def _name(bot: ShownBot) -> str:
    """Distinct among a user's bots that have not ended."""
    return bot.bot_id if bot.is_active else f"{bot.bot_id} (ended)"


def _is_in_error(bot: ShownBot) -> bool:
    return bool(bot.markets["error"].is_not_null().any())


if __name__ == "__main__":
    show()
