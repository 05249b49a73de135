"""Opening the store for one query, and what replaces a page if it cannot be read."""

from collections.abc import Callable
from typing import TypeVar, cast

import streamlit as st

from common.errors import HubError, SettingsError, StoreError, StoreLocked, StoreMissing
from common.settings import load_settings
from registry.store import open_store
from registry.store.owner import url_of
from registry.store.protocol import Store
from registry.store.remote.token import client_token

SECONDS_KEPT = 5
"""How old an answer may be."""

T = TypeVar("T")


def read(query: Callable[[str], T]) -> T:
    """The answer to a query on the store that the settings name; if it cannot be read, a panel replaces the page."""
    try:
        answer = query(url_of(load_settings()))
    except HubError as error:
        _show_error(error)
        st.stop()
    return answer


def asked(query: Callable[[str], T]) -> T:
    """As :func:`read`, but only what is wrong with the store or the settings replaces the page.

    What is wrong with the question (a text, missing candles, too much work) is raised, for the page to show beside it.
    """

    def answer(store_url: str) -> tuple[T, None] | tuple[None, HubError]:
        try:
            return query(store_url), None
        except (StoreError, SettingsError):
            raise
        except HubError as error:
            return None, error

    value, problem = read(answer)
    if problem is not None:
        raise problem
    return cast("T", value)


def opened(store_url: str) -> Store:
    """The store at a URL, to be closed after use."""
    # The token is not an argument of the queries, because arguments are the cache's keys.
    return open_store(store_url, token=client_token(load_settings()), read_only=True)


def _show_error(error: HubError) -> None:
    text = f"{str(error)[:1].upper()}{str(error)[1:]}."
    match error:
        case StoreMissing():
            st.info(f"**There is no store yet.** {text}", icon=":material/inventory_2:")
            st.markdown("Create one with real candles and simulated bots:")
            st.code("make demo", language="shell")
        case StoreLocked():
            st.warning(
                f"**Another process is writing.** {text} The dashboard can read when no process writes.",
                icon=":material/lock:",
            )
            st.button("Try again", key="again")
        case _:
            st.error(f"**The data cannot be read.** {text}", icon=":material/error:")
            st.button("Try again", key="again")
