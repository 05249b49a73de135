"""Who looks at the dashboard: whoever works on its machine, or the owner of the key that the gate was shown."""

import streamlit as st

from dashboard.data.own_bots import key_of
from dashboard.data.reading import read
from registry.store.parts.accounts import ApiKey

KEY_HEADER = "x-hub-key-id"
"""The id of the key with which a viewer came in; set by the gate alone, which removes it from what browsers send."""
_TYPED = "typed-key-id"


def is_only_user() -> bool:
    """Whether the viewer came in with a user's key, who sees nothing that is the operator's.

    A key that is gone or revoked replaces the page.
    """
    key_id = _key_id_of_gate()
    if key_id is None:
        return False
    key = read(lambda url: key_of(url, key_id))
    if key is None:
        st.error("Your key was revoked. Load this page again to enter another one.", icon=":material/key_off:")
        st.stop()
    return key.role != "operator"


def signed_in() -> ApiKey | None:
    """The key whose owner's bots are shown: the one that the gate was shown, else the one that was typed here."""
    key_id = _key_id_of_gate() or st.session_state.get(_TYPED)
    key = None if key_id is None else read(lambda url: key_of(url, key_id))
    if key is None:
        sign_out()
    return key


def has_typed() -> bool:
    """Whether the viewer typed a key here, which can be forgotten again."""
    return _TYPED in st.session_state


def sign_in(key: ApiKey) -> None:
    """Remember which key was typed, but not the key, until the browser's tab is closed."""
    st.session_state[_TYPED] = key.key_id


def sign_out() -> None:
    """Forget which key was typed."""
    st.session_state.pop(_TYPED, None)


def _key_id_of_gate() -> str | None:
    return st.context.headers.get(KEY_HEADER)
