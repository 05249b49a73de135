"""The dashboard's script: its pages. ``app_streamlit.py`` serves it.

It has a folder of its own because Streamlit takes a folder ``pages`` beside its script for the list of pages.
"""

from pathlib import Path

import streamlit as st

from dashboard.pages import savings

_DASHBOARD = Path(__file__).parents[1]

# A file, because Streamlit would fetch the picture of a Material icon from the internet.
st.set_page_config(page_title="Condition Hub", page_icon=str(_DASHBOARD / "icon.svg"), layout="wide")
_PAGES = {"conditions": "Conditions", "health": "Health", "ticks": "Ticks", "explore": "Explore"}
st.navigation(
    [
        # The default page is at the root alone, so that a page of its own answers to its name.
        st.Page(_DASHBOARD / "pages" / "savings.py", title="Savings", url_path="landing", default=True),
        st.Page(savings.show, title="Savings", url_path="savings", visibility="hidden"),
        *(st.Page(_DASHBOARD / "pages" / f"{name}.py", title=title, url_path=name) for name, title in _PAGES.items()),
    ],
    position="top",
).run()
