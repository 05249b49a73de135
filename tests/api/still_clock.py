"""A monotonic clock for rates that stands still until a test moves it."""


class StillClock:
    """Returns its seconds when it is called."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now
