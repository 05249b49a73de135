"""Places in JSON: pointers (RFC 6901) that are short and harmless to a terminal."""


def step(pointer: str, part: object) -> str:
    """``pointer`` one level deeper."""
    if isinstance(part, str) and part.isascii() and part.isidentifier() and len(part) <= 64:
        return f"{pointer}/{part}"
    # Other characters could harm a terminal.
    name = ascii(str(part)[:64])[1:-1]
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
