"""The process that owns a data folder: it opens the store and the event log, and serves the HTTP API."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import uvicorn

from api.app import create_app
from api.http.connection import http_config
from api.http.edge import STORE_PATH
from api.service import Service
from candles.market_lists import MarketLists
from common.clock import SystemClock
from common.errors import ServiceError, StoreBroken, WebhookError
from common.freed_memory import give_back_freed_memory
from common.log_files import keeping_logs_small
from common.private_files import NotPrivate, close_to_others, files_of_hub
from common.settings import Settings
from common.supervised import make_folder
from common.supervision import Loops
from engine.warming import warm
from events.consuming.current_truths import StoreTruthSource
from events.log.keeper import LogKeeper, keeping
from events.opening import open_log
from events.webhooks.sender import sending
from hub.children import Children
from hub.hub_processes import processes_of
from hub.sole_work import keeping_sole_work
from hub.store_upkeep import tidying
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.owner import Running, noted, running
from registry.store.protocol import OwnStore, SharedStore, SoleWork, Store
from registry.store.remote.endpoint import store_interface
from registry.store.remote.token import owner_token

_log = logging.getLogger(__name__)

_GRACE_S = 10
"""How long requests under way may take when the service stops."""
_LAST_S = 30.0
"""How long a service whose store is broken may take to end in order."""
COLLECTED_AFTER = 10_000
"""New objects between two garbage collections. Conditions stay: collecting after every 700 mostly finds nothing."""
_SWITCHED_AFTER_S = 0.001
"""How long a busy thread keeps the interpreter from the event loop, which needs it several times for each request."""


def serve(settings: Settings, announce: Callable[[str], object]) -> None:
    """Own the data folder until SIGTERM or Ctrl-C. ``announce`` gets a message for people once requests are answered.

    Raises :class:`ServiceError` if the folder already has a service or the port is taken, whatever opening the store or
    the event log raises, and :class:`StoreBroken` if a write to the store failed in such a way that only a restart
    helps: a supervisor, such as systemd, then starts the service again.
    """
    _refuse_elsewhere(settings)
    make_folder(settings.data_dir, ServiceError)
    _close_to_others(settings)
    gc.set_threshold(COLLECTED_AFTER)
    sys.setswitchinterval(_SWITCHED_AFTER_S)
    with ExitStack() as stack:
        # Until the server handles signals itself: whatever has been started is stopped in order.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        stack.callback(signal.signal, signal.SIGTERM, before)
        note = stack.enter_context(noted(settings.data_dir, settings.role))
        loops = Loops()
        children = Children(settings, loops)
        stack.enter_context(keeping_logs_small(settings.data_dir, settings.log_mib << 20, loops))
        listener = stack.enter_context(_listening(settings.api_host, settings.api_port))
        store = stack.enter_context(open_store(settings.resolved_store_url))
        log = stack.enter_context(open_log(settings, loops))
        clock = SystemClock()
        keeper = LogKeeper(
            store, log, clock, retention_ms=settings.events_retention_ms, most_events=settings.events_max
        )
        stack.enter_context(keeping(keeper, loops))
        if isinstance(store, FileStore):
            # Not before store and log are reconciled: a log that is ahead may have used the next numbers already.
            store.announce_upgrades()
        stack.enter_context(tidying(store, clock, loops, history_days=settings.history_days))
        soles = []
        if isinstance(store, SharedStore):
            works: tuple[SoleWork, ...] = ("webhooks", "bots")
            soles = [stack.enter_context(store.sole(work)) for work in works if work not in settings.without]
        rearm_webhooks: Callable[[str, str, str], None] = partial(_rearm_elsewhere, store)
        if "webhooks" not in settings.without:
            webhooks = sending(
                store,
                log,
                settings.data_dir / "webhooks.ledger",
                clock,
                allow_loopback=settings.webhooks_allow_loopback,
                truths=StoreTruthSource(store, clock),
                backlog_bytes=settings.quota_webhook_backlog_mib << 20,
                loops=loops,
            )
            rearm_webhooks = stack.enter_context(webhooks).rearm
        service = Service(
            store,
            settings,
            log,
            clock,
            log_problem=lambda: keeper.problem,
            rearm_webhooks=rearm_webhooks,
            loops=loops,
            markets=MarketLists.where_fetched(settings),
        )
        # Before the note: whoever reads where the service is needs the token next.
        token = owner_token(settings)
        here = note(_url(listener))
        threading.Thread(target=_settle, name="warm-kernels", daemon=True).start()
        app = create_app(service)
        app.mount(STORE_PATH, store_interface(store, token))
        # From the end of the server on: a second `hub down` waits for the rest, and does not break it off.
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        server = _Server(
            http_config(app, grace_s=_GRACE_S),
            service,
            children,
            lambda: announce(_greeting(here, store, settings, children.dashboard_url)),
        )
        broken: list[StoreBroken] = []

        def give_up(error: StoreBroken) -> None:
            _give_up(error, broken, server)

        if isinstance(store, OwnStore):
            store.when_broken(give_up)
        for keep in soles:
            stack.enter_context(keeping_sole_work(keep, loops, give_up))
        stack.callback(children.stop)
        server.run([listener])
        if broken:
            raise broken[0]


def _refuse_elsewhere(settings: Settings) -> None:
    """Raise :class:`ServiceError` where another process serves this data folder, or owns its store."""
    there = running(settings.data_dir)
    if there is not None:
        others = [f"{each.name} (process {each.pid})" for each in processes_of(settings.data_dir) if each.name != "hub"]
        raise ServiceError(
            f"the hub of {settings.data_dir} is already running: process {there.pid} at {there.url}"
            f"{', with ' + ', '.join(others) if others else ''}; `hub status` shows more, `hub down` stops it"
        )
    if settings.resolved_store_url.startswith(("http:", "https:")):
        raise ServiceError(
            "HUB_STORE_URL names the store of another process; unset it if this service is to own the store itself, or "
            "name a database that several services share: postgresql://USER@HOST/DATABASE"
        )


def _rearm_elsewhere(store: Store, user_id: str, bot_id: str, condition_id: str) -> None:  # noqa: ARG001 - one call for both
    """Webhooks are posted to by another service, whose ledger this one does not have.

    Raises :class:`WebhookError` if the bot has one: it would not be told.
    """
    if any(hook.state == "active" and hook.bot_id in (None, bot_id) for hook in store.delivery.webhooks(user_id)):
        raise WebhookError(
            "this process of the hub does not post to webhooks, and the bot has one; send the request to the process "
            "that does (role gateway)"
        )


def _give_up(error: StoreBroken, broken: list[StoreBroken], server: "_Server") -> None:
    """End the service after a failure of its store that cannot be waited out. Requests under way get errors."""
    broken.append(error)
    if len(broken) > 1:
        return
    _log.critical("%s; this process ends", error)
    # The worker could record nothing any more.
    server.hurry()
    # Whatever may still hang on to the store: nothing more can be written, and nothing acknowledged is lost.
    last = threading.Timer(_LAST_S, os._exit, [1])
    last.daemon = True
    last.start()


def _close_to_others(settings: Settings) -> None:
    """What an earlier hub, a copy or a restored backup left open to other users is closed to them, and said."""
    try:
        closed = close_to_others(files_of_hub(settings.data_dir))
    except NotPrivate as error:
        raise ServiceError(str(error)) from error
    if closed:
        _log.warning("%d files and folders were open to other users; now only this user can open them", len(closed))


def _settle() -> None:
    """Load the kernels, exempt everything loaded so far from garbage collection, and give back what loading took.

    Otherwise the collector would go through compiler and libraries for every few thousand conditions, and hold up every
    request for 0.2 s.
    """
    warm(lambda _: None)
    gc.collect()
    gc.freeze()
    give_back_freed_memory()


class _Server(uvicorn.Server):
    """Handles signals itself. When it stops, its children end first, as they need its answers; then event streams,
    which would never end on their own."""

    def __init__(
        self, config: uvicorn.Config, service: Service, children: Children, announce: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._children = children
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()
        if not self.should_exit:
            self._children.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._children.stop)
        self._service.user_feed.end_streams()
        await super().shutdown(sockets)

    def hurry(self) -> None:
        """Stop, and wait for no child."""
        self._children.hurry()
        self.should_exit = True

    def _stop(self) -> None:
        # A second signal comes from somebody who does not want to wait.
        if self.should_exit:
            self.force_exit = True
            self._children.hurry()
        self.should_exit = True


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            raise ServiceError(
                f"cannot listen on {host} port {port}: {error.strerror}; set HUB_API_PORT to a free port (0 takes any) "
                "or HUB_API_HOST to an address of this machine"
            ) from None
        yield listener


def _greeting(here: Running, store: Store, settings: Settings, dashboard_url: str | None) -> str:
    """Where everything is, what is judged and what is not, and the first things to do."""
    lines = [
        f"Condition Hub serves {here.url} (process {here.pid}); Ctrl-C or `hub down` stops it",
        f"  routes and examples: {here.url}/docs",
    ]
    if dashboard_url is not None:
        lines.append(f"  dashboard, in a few seconds and only on this machine: {dashboard_url}")
    if all(key.revoked_ms is not None for key in store.accounts.keys(None)):
        lines.append("  there are no keys yet: hub keys create USER")
    if settings.role == "api":
        lines.append("  role api: other processes of this hub judge, post to webhooks and run the bots")
        return "\n".join(lines)
    if settings.role == "gateway":
        lines.append("  role gateway: other processes of this hub judge; here are webhooks and bots")
    elif "worker" in settings.without:
        lines.append("  no worker: nothing is judged by itself; start one: hub worker, or judge now: hub tick 1h")
    elif "ingest" in settings.without:
        lines.append("  every close is judged; no ingest: candles come only by import: hub candles import FILE")
    else:
        lines.append("  every close is judged; the candles that conditions read are fetched from their exchanges")
    if "webhooks" in settings.without:
        lines.append("  no webhooks: nothing is posted to them by this service")
    if "bots" in settings.without:
        lines.append("  no bots: those of users stand still; run them: hub bots run")
    else:
        bots = store.bots.active_count()
        lines.append(f"  {bots} bots are run" if bots else "  bots are run as users create them: hub bots create FILE")
    return "\n".join(lines)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
