"""Links from page to page."""

from pathlib import Path

import streamlit as st

CONDITION = "conditions?id={}"
"""The address of one condition; relative, as the pages may be below any path."""
_CONDITIONS = str(Path(__file__).parent / "pages" / "conditions.py")


def condition_link(condition_id: str, label: str) -> None:
    """A link that opens one condition."""
    st.page_link(_CONDITIONS, label=label, icon=":material/open_in_new:", query_params={"id": condition_id})
