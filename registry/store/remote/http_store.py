"""The store of another process: the owner of the files, reached over HTTP."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self, cast

from common.errors import StoreNotWritable
from registry.store.parts.accounts import AccountStore
from registry.store.parts.bots import BotStore
from registry.store.parts.cache import CacheStore
from registry.store.parts.candles import CandleStore
from registry.store.parts.delivery import DeliveryStore
from registry.store.parts.live import LiveStore
from registry.store.parts.registry import RegistryStore
from registry.store.parts.runs import RunStore
from registry.store.parts.ticks import Rebase, TickStore
from registry.store.parts.trials import TrialStore
from registry.store.parts.triggers import TriggerStore
from registry.store.protocol import WRITES, Backup, Finding
from registry.store.remote.calls import Calls
from registry.store.remote.wire import Operation, operations

_PATIENCE_AT_FIRST_S = 5.0
"""An owner that has never answered is more likely absent than restarting."""


class HttpStore:
    """Implements :class:`registry.store.protocol.Store` by calls to the process that owns the files at ``url``.

    Safe to use from several threads. While the owner restarts, calls wait for up to ``patience_s`` and then continue;
    if it stays away, they raise :class:`common.errors.StoreUnreachable`. Errors of the owner are raised here as the
    same classes.
    """

    def __init__(
        self, url: str, *, token: str | None = None, read_only: bool = False, patience_s: float = 30.0
    ) -> None:
        self._calls = Calls(url, token)
        self._patience_s = min(patience_s, _PATIENCE_AT_FIRST_S)
        self._read_only = read_only
        parts: dict[str | None, dict[str, Callable[..., Any]]] = {}
        for operation in operations().values():
            parts.setdefault(operation.part, {})[operation.method.__name__] = self._remote(operation)
        self.accounts = cast(AccountStore, SimpleNamespace(**parts["accounts"]))
        self.bots = cast(BotStore, SimpleNamespace(**parts["bots"]))
        self.cache = cast(CacheStore, SimpleNamespace(**parts["cache"]))
        self.candles = cast(CandleStore, SimpleNamespace(**parts["candles"]))
        self.delivery = cast(DeliveryStore, SimpleNamespace(**parts["delivery"]))
        self.live = cast(LiveStore, SimpleNamespace(**parts["live"]))
        self.registry = cast(RegistryStore, SimpleNamespace(**parts["registry"]))
        self.runs = cast(RunStore, SimpleNamespace(**parts["runs"]))
        self.ticks = cast(TickStore, SimpleNamespace(**parts["ticks"]))
        self.trials = cast(TrialStore, SimpleNamespace(**parts["trials"]))
        self.triggers = cast(TriggerStore, SimpleNamespace(**parts["triggers"]))
        self._own = parts[None]
        try:
            self.registry.version()
        except BaseException:
            self.close()
            raise
        self._patience_s = patience_s

    def identity(self) -> str:
        return cast(str, self._own["identity"]())

    def commit_problem(self) -> str | None:
        return cast(str | None, self._own["commit_problem"]())

    def rebase(self, rebase: Rebase) -> int:
        return cast(int, self._own["rebase"](rebase))

    def backup(self, folder: str) -> Backup:
        return cast(Backup, self._own["backup"](folder))

    def trim(self, before_ms: int) -> int:
        return cast(int, self._own["trim"](before_ms))

    def check(self) -> list[Finding]:
        return cast(list[Finding], self._own["check"]())

    def close(self) -> None:
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _remote(self, operation: Operation) -> Callable[..., Any]:
        is_refused = self._read_only and operation.name in WRITES

        def call(*arguments: Any, **named: Any) -> Any:
            if is_refused:
                raise StoreNotWritable(f"the store was opened read-only, but {operation.name} writes")
            body = operation.encode_call(arguments, named)
            return operation.decode_answer(self._calls.call(operation.name, body, self._patience_s))

        return call
