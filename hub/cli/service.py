"""``hub up``, ``hub down``, ``hub doctor`` and ``hub keys``: the service, and who may use it."""

from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import DataFolder, hub_settings
from hub.cli.output import AsJson, message, print_beside, print_json, print_table

keys = App(name="keys", help="Keys of the HTTP API.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    for command in (up, worker, down, doctor):
        app.command(command)
    app.command(keys)


def up(
    *,
    without: Annotated[
        str | None,
        Parameter(
            help="What not to start, with commas: worker (judges at every close), ingest (fetches candles), "
            "bots (runs them), webhooks (posts to them), dashboard."
        ),
    ] = None,
    role: Annotated[
        str | None,
        Parameter(
            help="What this process does of a hub on Postgres that runs in several: api (answers requests, streams "
            "events), gateway (that, webhooks and bots), worker (judges, and fetches candles for that), ingest (only "
            "fetches candles), all."
        ),
    ] = None,
    port: Annotated[int | None, Parameter(help="Port of the HTTP API; 0 takes any free one.")] = None,
    data: DataFolder = None,
) -> None:
    """Start everything on this machine: HTTP API, worker with ingest, bots, webhooks, event log, dashboard.

    Runs until Ctrl-C or `hub down`. Meanwhile this process owns the store, unless that is in Postgres. Its log, and
    those of its worker, are JSON lines on standard error.
    """
    from hub.logs import announce, log_to_stderr
    from hub.roles import start

    settings = hub_settings(without=without, role=role, api_port=port, data_dir=data)
    log_to_stderr()
    start(settings, announce)


def worker(
    *, ingest: Annotated[bool, Parameter(help="Fetch the candles of its conditions from their exchanges.")] = True
) -> None:
    """Judge every timeframe at its closes, by Prefect's schedules, until Ctrl-C."""
    from hub.logs import announce, log_to_stderr
    from hub.work import work

    settings = hub_settings()
    log_to_stderr()
    work(settings, announce, ingest=ingest)


def down(*, data: DataFolder = None, json_output: AsJson = False) -> None:
    """Stop the service of the data folder, and wait until everything is written; or end what a killed one left."""
    from hub.hub_processes import end_leftovers
    from registry.store.owner import running, stop

    settings = hub_settings(data_dir=data)
    if running(settings.data_dir) is None and (left := end_leftovers(settings)):
        if json_output:
            print_json({"pid": None, "url": None, "ended": [each.name for each in left]})
        else:
            message(f"no hub was running; ended what one left behind: {', '.join(each.name for each in left)}")
        return
    stopped = stop(settings.data_dir)
    if json_output:
        print_json({"pid": stopped.pid, "url": stopped.url, "ended": []})
    else:
        message(f"stopped process {stopped.pid}, which served {stopped.url}")


def doctor(*, data: DataFolder = None, json_output: AsJson = False) -> None:
    """Check everything that the hub needs, and say what is wrong and how to fix it. Changes nothing.

    Exits with 1 if something is wrong.
    """
    from hub.doctor.examination import examine

    checks = list(examine(hub_settings(data_dir=data)))
    if json_output:
        print_json([{"name": one.name, "ok": one.ok, "detail": one.detail} for one in checks])
    else:
        marks = {True: "ok", False: "wrong", None: "-"}
        for one in checks:
            print_beside(f"{one.name:<15}{marks[one.ok]:<7}", one.detail)
    wrong = [one.name for one in checks if one.ok is False]
    if wrong:
        raise HubError(f"{len(wrong)} of {len(checks)} checks failed: {', '.join(wrong)}")


@keys.command
def create(
    user: Annotated[str, Parameter(help="Whom the key belongs to; everything done with it is theirs.")],
    *,
    operator: Annotated[bool, Parameter(negative="", help="May read the platform's metrics and all triggers.")] = False,
    label: Annotated[str, Parameter(help="What the key is for, to tell keys apart.")] = "",
    json_output: AsJson = False,
) -> None:
    """Create a key for a user and print it once: only a digest of it is stored."""
    from common.clock import SystemClock
    from registry.keys import new_key
    from registry.store import open_configured

    settings = hub_settings()
    key, text = new_key(user, "operator" if operator else "user", label, SystemClock().now_ms())
    with open_configured(settings) as store:
        store.accounts.add_key(key)
    if json_output:
        print_json({"key_id": key.key_id, "user": user, "role": key.role, "label": label, "key": text})
    else:
        print(text)
        message(f"key {key.key_id} of {user}; it will not be shown again")


@keys.command(name="list")
def list_keys(
    *,
    user: Annotated[str | None, Parameter(help="Only the keys of this user.")] = None,
    json_output: AsJson = False,
) -> None:
    """List keys, without their secrets."""
    from common.timeframes import iso_time, show_time
    from registry.store import open_configured

    with open_configured(hub_settings(), read_only=True) as store:
        listed = store.accounts.keys(user)
    time_of = iso_time if json_output else show_time
    rows = [
        {
            "key_id": key.key_id,
            "user": key.user_id,
            "role": key.role,
            "label": key.label,
            "created": time_of(key.created_ms),
            "revoked": None if key.revoked_ms is None else time_of(key.revoked_ms),
        }
        for key in listed
    ]
    if json_output:
        print_json(rows)
    elif rows:
        print_table([tuple(rows[0]), *(tuple(value or "-" for value in row.values()) for row in rows)])
    else:
        message("no keys; create one: hub keys create USER")


@keys.command
def revoke(
    key_id: Annotated[str, Parameter(help="The 12 hex digits after hub_ in the key.")], *, json_output: AsJson = False
) -> None:
    """Invalidate a key, at once and for good."""
    from common.clock import SystemClock
    from registry.store import open_configured

    with open_configured(hub_settings()) as store:
        known = store.accounts.key(key_id)
        if known is None:
            raise HubError(f"there is no key {key_id!r}; `hub keys list` shows all")
        changed = store.accounts.revoke_key(key_id, at_ms=SystemClock().now_ms())
    if json_output:
        print_json({"key_id": key_id, "revoked": True, "changed": changed})
    else:
        message(f"key {key_id} of {known.user_id} is revoked" if changed else f"key {key_id} had been revoked before")
