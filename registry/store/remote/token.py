"""The token that lets the processes of a data folder use the store through its owner."""

import os
import secrets

from common.errors import StoreNotWritable
from common.private_files import make_private_folder
from common.settings import Settings

_NAME = "store_token"


def owner_token(settings: Settings) -> str:
    """The token that an owner requires: ``HUB_STORE_TOKEN``, else that of the data folder, created if there is none."""
    if (known := client_token(settings)) is not None:
        return known
    path = settings.data_dir / _NAME
    token = secrets.token_urlsafe(32)
    # Under its name it exists whole or not at all, and others can never read it, not even for a moment.
    partial = path.with_name(f"{_NAME}.{os.getpid()}")
    try:
        make_private_folder(settings.data_dir)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
        partial.rename(path)
    except OSError as error:
        raise StoreNotWritable(
            f"cannot write {path}: {error.strerror}; set HUB_DATA_DIR to a writable folder, or set HUB_STORE_TOKEN"
        ) from error
    return token


def client_token(settings: Settings) -> str | None:
    """``HUB_STORE_TOKEN``, else the data folder's; ``None`` where there is neither."""
    if settings.store_token is not None:
        return settings.store_token.get_secret_value()
    try:
        return (settings.data_dir / _NAME).read_text().strip() or None
    except OSError:
        return None
