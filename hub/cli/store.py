"""``hub store``: backups of the store, its schema, and checks of its consistency."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError, StoreError
from common.settings import Settings
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, console, message, print_frame, print_json

store = App(name="store", help="Backup, restore, schema and checks of the store.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(store)


@store.command
def backup(
    folder: Annotated[Path, Parameter(help="A new folder; each backup needs its own.")], *, json_output: AsJson = False
) -> None:
    """Copy the whole store, as of one moment, into files. The hub keeps working."""
    from registry.store import open_configured

    with open_configured(hub_settings()) as opened:
        made = opened.backup(str(folder.absolute()))
    if json_output:
        print_json({"folder": made.folder, "bytes": made.bytes, "rows": made.rows})
    else:
        print(made.folder)
        message(f"{made.rows:,} rows in {made.bytes / 1e6:,.1f} MB; restore it with: hub store restore {made.folder}")


@store.command
def restore(
    folder: Annotated[Path, Parameter(help="A backup.")],
    *,
    yes: Annotated[bool, Parameter(negative="", help="Replace the existing store; its files are kept aside.")] = False,
    json_output: AsJson = False,
) -> None:
    """Put a backup in place of the store. Stop the hub first: no process may have the store open.

    Where HUB_STORE_URL names a database in Postgres, that has to be a new one: the one before stays as it is.
    """
    from registry.store.files.backup import restore_backup

    settings = hub_settings()
    if settings.resolved_store_url.startswith("postgres"):
        _copy(f"duckdb:{folder.absolute()}", settings.resolved_store_url, json_output=json_output)
        return
    place = _own_folder(settings)
    aside = restore_backup(folder, place, replace=yes)
    if json_output:
        print_json({"folder": str(place), "kept": None if aside is None else str(aside)})
        return
    print(place)
    if aside is not None:
        message(f"the previous store is in {aside}; remove it when you no longer need it")


@store.command
def migrate(
    *,
    dry_run: Annotated[
        bool,
        Parameter(negative="", help="List what would change, and change nothing; tried on a copy of the registry."),
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Bring the store up to this version of the hub: its schema, and conditions that it computes or reads differently.

    Those get other ids, and their subscriptions move. The store as it was is kept beside it. The owner of the store
    also does this when it starts, but keeps nothing.
    """
    from common.console import ConsoleProgress
    from registry.store.files.offline_upgrade import preview_upgrade, upgrade_offline

    folder = _own_folder(hub_settings())
    with ConsoleProgress(console(stderr=True)) as bar:

        def show(done: int, total: int) -> None:
            if done == 0:
                bar.begin("reading conditions again", total)
            bar.step(done)

        done = (preview_upgrade if dry_run else upgrade_offline)(folder, show)
    if json_output:
        schemas = {name: {"from": before, "to": after} for name, (before, after) in done.schemas.items()}
        kept = None if done.kept is None else str(done.kept)
        print_json(schemas | {"changes": done.changes.to_dicts(), "kept": kept, "dry_run": dry_run})
        return
    for name, (before, after) in done.schemas.items():
        print(f"{name}.duckdb: schema {after}" + (f", was {before}" if before != after else ""))
    if done.changes.height:
        print_frame(done.changes, json_output, empty="")
        message(
            f"{done.changes.height:,} conditions {'would change' if dry_run else 'changed'}, with"
            f" {done.changes['subscriptions'].sum():,} subscriptions; one without superseded_by cannot be read any more"
        )
    if dry_run:
        message("nothing was changed; `hub store migrate` does it, and keeps the store as it is now beside it")
    elif done.kept is not None:
        message(
            f"the store as it was is in {done.kept}; to go back, install the version that wrote it and run: "
            f"hub store restore {done.kept} --yes. Remove it when you no longer need it"
        )


@store.command
def copy(source: str, target: str, *, json_output: AsJson = False) -> None:
    """Copy a store from files to Postgres or back, into an empty one, and compare both: one is duckdb:FOLDER, the other
    postgresql://USER@HOST/DATABASE.

    Stop the hub first if its files are the source; processes on Postgres cannot write meanwhile.
    """
    _copy(source, target, json_output=json_output)


@store.command
def check(*, json_output: AsJson = False) -> None:
    """Check whether the contents of the store are consistent, and say how to fix what is not."""
    from registry.store import open_configured

    with open_configured(hub_settings(), read_only=True) as opened:
        findings = opened.check()
    if json_output:
        print_json([{"subject": one.subject, "problem": one.problem, "mend": one.mend} for one in findings])
    else:
        for one in findings:
            print(f"{'ok   ' if one.problem is None else 'wrong'}  {one.subject}")
            if one.problem is not None:
                print(f"       {one.problem}\n       {one.mend}")
    wrong = [one for one in findings if one.problem is not None]
    if wrong:
        raise HubError(f"{len(wrong)} of {len(findings)} checks failed; nothing was changed")


def _own_folder(settings: Settings) -> Path:
    """The folder of the store's files, for work that needs exclusive access to them."""
    scheme, _, place = settings.resolved_store_url.partition(":")
    if scheme != "duckdb":
        raise StoreError(
            f"HUB_STORE_URL begins with {scheme}: this needs the files themselves; stop the hub, and set "
            "HUB_STORE_URL to duckdb:FOLDER"
        )
    return Path(place)


def _copy(source: str, target: str, *, json_output: bool) -> None:
    from common.console import ConsoleProgress

    try:
        from registry.store.postgres.copying import copy_store
    except ImportError as error:
        raise StoreError(f"{error.name} is missing: pip install 'condition-hub[postgres]'") from None
    with ConsoleProgress(console(stderr=True)) as bar:
        tables: set[str] = set()

        def show(table: str, done: int, total: int) -> None:
            if table not in tables:
                tables.add(table)
                bar.begin(f"copying {table}", total)
            bar.step(done)

        copied = copy_store(source, target, show)
    if json_output:
        print_json({table.table: table.rows for table in copied})
        return
    rows = sum(table.rows for table in copied)
    print(target.rsplit("@", maxsplit=1)[-1])
    message(f"{rows:,} rows in {len(copied)} tables, the same on both sides; HUB_STORE_URL names the store to be used")
