"""Numbers of things, for people."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 condition``, ``2,000 conditions``; ``many`` is the plural where that is not ``one`` with an ``s``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
