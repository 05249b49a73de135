"""The dashboard's script: its pages. ``app_streamlit.py`` serves it.

It has a folder of its own because Streamlit takes a folder ``pages`` beside its script for the list of pages.
"""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard.pages import my_bots, savings
from dashboard.viewer import is_only_user

_DASHBOARD = Path(__file__).parents[1]

# A file, because Streamlit would fetch the picture of a Material icon from the internet.
st.set_page_config(page_title="Condition Hub", page_icon=str(_DASHBOARD / "icon.svg"), layout="wide")
_PAGES = {"conditions": "Conditions", "health": "Health", "ticks": "Ticks", "explore": "Explore"}
_MY_BOTS = _DASHBOARD / "pages" / "my_bots.py"


def _all_pages() -> list[StreamlitPage]:
    return [
        # The default page is at the root alone, so that a page of its own answers to its name.
        st.Page(_DASHBOARD / "pages" / "savings.py", title="Savings", url_path="landing", default=True),
        st.Page(savings.show, title="Savings", url_path="savings", visibility="hidden"),
        *(st.Page(_DASHBOARD / "pages" / f"{name}.py", title=title, url_path=name) for name, title in _PAGES.items()),
        st.Page(_MY_BOTS, title="My bots", url_path="my_bots"),
    ]


def _pages_of_users() -> list[StreamlitPage]:
    return [
        st.Page(_MY_BOTS, title="My bots", url_path="landing", default=True),
        st.Page(my_bots.show, title="My bots", url_path="my_bots", visibility="hidden"),
    ]


st.navigation(_pages_of_users() if is_only_user() else _all_pages(), position="top").run()
