"""The dashboard: ``make dashboard``, or ``streamlit run app_streamlit.py`` for the store that the settings name."""

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).parent / "dashboard"

# A file, because Streamlit would fetch the picture of a Material icon from the internet.
st.set_page_config(page_title="Condition Hub", page_icon=str(_PAGES / "icon.svg"), layout="wide")
st.navigation(
    [
        st.Page(_PAGES / "savings_page.py", title="Savings", url_path="savings", default=True),
        st.Page(_PAGES / "conditions_page.py", title="Conditions", url_path="conditions"),
    ],
    position="top",
).run()
