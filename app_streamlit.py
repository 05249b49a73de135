"""The dashboard: ``make dashboard``, or ``streamlit run app_streamlit.py`` for the store that the settings name."""

from pathlib import Path

import streamlit as st

from common.private_files import keep_private

_DASHBOARD = Path(__file__).parent / "dashboard"

keep_private()
# A file, because Streamlit would fetch the picture of a Material icon from the internet.
st.set_page_config(page_title="Condition Hub", page_icon=str(_DASHBOARD / "icon.svg"), layout="wide")
st.navigation(
    [
        st.Page(_DASHBOARD / "pages" / "savings.py", title="Savings", url_path="savings", default=True),
        st.Page(_DASHBOARD / "pages" / "conditions.py", title="Conditions", url_path="conditions"),
    ],
    position="top",
).run()
