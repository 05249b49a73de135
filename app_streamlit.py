"""The dashboard: ``make dashboard``, or ``streamlit run app_streamlit.py`` for the store that the settings name."""

from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from common.private_files import keep_private
from dashboard.key_gate import KeyGate
from dashboard.own_pages import OwnPagesOnly
from dashboard.warming import warmed

keep_private()
app = App(
    Path(__file__).parent / "dashboard" / "script" / "main.py",
    middleware=[Middleware(OwnPagesOnly), Middleware(KeyGate)],
    lifespan=warmed,
)
