"""The dashboard's script: its pages. ``app_streamlit.py`` serves it.

It has a folder of its own because Streamlit takes a folder ``pages`` beside its script for the list of pages.
"""

from pathlib import Path

import streamlit as st

_DASHBOARD = Path(__file__).parents[1]

# A file, because Streamlit would fetch the picture of a Material icon from the internet.
st.set_page_config(page_title="Condition Hub", page_icon=str(_DASHBOARD / "icon.svg"), layout="wide")
st.navigation(
    [
        st.Page(_DASHBOARD / "pages" / "savings.py", title="Savings", url_path="savings", default=True),
        st.Page(_DASHBOARD / "pages" / "conditions.py", title="Conditions", url_path="conditions"),
        st.Page(_DASHBOARD / "pages" / "health.py", title="Health", url_path="health"),
    ],
    position="top",
).run()
