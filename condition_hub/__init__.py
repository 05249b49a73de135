"""The client of the hub's HTTP API, for bots, scripts and notebooks. It needs httpx and msgspec, and nothing else.

    from condition_hub import AsyncHubClient, defaults, register_condition, subscribe_bot

    async with AsyncHubClient("http://127.0.0.1:8000", api_key):
        with defaults(symbol="BTCUSDT", timeframe="1h"):
            condition_id = await register_condition({"indicator": "RSI", "operator": "<", "value": 30})
        await subscribe_bot("grid_bot_7", condition_id, "grid", bot_config)

``AsyncHubClient`` and ``HubClient`` have the same methods; ``clients/python/README.md`` shows them at work. Errors are
subclasses of :class:`condition_hub.errors.HubError`. The names of :mod:`condition_hub.public` are loaded when one of
them is wanted: the hub itself has its errors and answers from here, and need not load an HTTP client for them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condition_hub.public import *  # noqa: F403
else:
    from importlib import import_module as _import_module
    from importlib.util import find_spec as _find_spec

    def __getattr__(name):
        # Python asks here first for a module of the package that is not loaded yet, and for names of its own.
        is_own = name.startswith("_") or _find_spec(f"{__name__}.{name}") is not None
        if name == "__all__" or not is_own:
            public = _import_module("condition_hub.public")
            if name == "__all__" or name in public.__all__:
                return getattr(public, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return __getattr__("__all__")
