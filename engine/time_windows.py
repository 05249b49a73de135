"""In which of the time windows of ``during`` candles open."""

import numpy as np
from numpy.typing import NDArray

from common.zones import offset_changes
from registry.language.time_windows import During


def open_inside(window: During, opens: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether candles with these open times, in milliseconds, open inside a window."""
    inside: NDArray[np.bool_] = np.asarray(window.covers(opens + _offsets(window.zone, opens)), np.bool_)
    return inside


def _offsets(zone: str, opens: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far the clocks of a zone are ahead of UTC at times, in milliseconds."""
    if zone == "UTC" or not opens.size:
        return np.zeros(opens.size, np.int64)
    changes = np.array(offset_changes(zone, int(opens.min()), int(opens.max())), np.int64)
    offsets: NDArray[np.int64] = changes[np.searchsorted(changes[:, 0], opens, side="right") - 1, 1]
    return offsets
