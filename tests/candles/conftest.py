"""What several tests of candles need."""

import pytest

import candles.arrivals
from tests.waiting import PATIENCE_S


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Websockets get as long as a test may hang before REST is asked: a starved machine is not a silent exchange."""
    monkeypatch.setattr(candles.arrivals, "_SOCKET_GRACE_S", PATIENCE_S)
