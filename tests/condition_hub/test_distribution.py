"""The client as a distribution of its own: what it is built from, and that it does its work where nothing else is."""

import importlib
import json
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import polars as pl
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import condition_hub
from condition_hub import public
from registry.conditions import Condition
from tests.condition_hub.blocking_source import BLOCKING, ROOT, blocking
from tests.condition_hub.conftest import DAY
from tests.condition_hub.served_hub import ServedHub

CLIENT = ROOT / "clients" / "python"
FLOW = Path(__file__).with_name("flow.py")
ADDED = {"defaults", "extract_conditions"}
"""What ``registry.client`` has of its own."""


def built(source: Path, folder: Path, target: str) -> Path:
    """What hatchling makes of a project, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.iterdir()
    return made


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """The installed distributions that requirements ask for, and those that these ask for."""
    chosen: dict[str, Distribution] = {}
    waiting = requirements
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in chosen or (requirement.marker is not None and not requirement.marker.evaluate()):
            continue
        chosen[requirement.name] = distribution(requirement.name)
        waiting += chosen[requirement.name].requires or []
    return chosen


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(CLIENT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture
def packages(wheel: Path, tmp_path: Path) -> Path:
    """A folder with the unpacked wheel and what it says it needs."""
    folder = tmp_path / "packages"
    zipfile.ZipFile(wheel).extractall(folder)
    (metadata,) = folder.glob("*.dist-info")
    for each in needed(list(Distribution.at(metadata).requires or [])).values():
        for name in {file.parts[0] for file in each.files or [] if file.parts[0] != ".."}:
            (folder / name).symlink_to(str(each.locate_file(name)))
    return folder


def test_a_bot_needs_the_client_alone(packages: Path, hub: ServedHub, hourly: pl.DataFrame) -> None:
    env = {"HUB_API_URL": hub.url, "HUB_API_KEY": hub.key()}
    command = [sys.executable, "-I", "-S", str(FLOW), str(packages)]
    with subprocess.Popen(command, cwd=packages, env=env, stdout=subprocess.PIPE, text=True) as bot:
        try:
            assert bot.stdout is not None
            first = json.loads(bot.stdout.readline())
            assert hub.advance(hourly.filter(pl.col("open_time") == DAY)).triggers == 1
            second, third = (json.loads(line) for line in bot.stdout)
        finally:
            bot.kill()
    always, never = (Condition.parse(text).id for text in ("BTCUSDT 1h: every(close > 0)", "BTCUSDT 1h: rsi < 1"))
    candles = first["preview"][0]
    assert candles > 100
    assert first == {
        "condition_id": always,
        "other": never,
        "preview": [candles, candles],
        "html": True,
        "previewed": [[always, candles], [never, 0]],
        "refused": ["ApiRefused 422 /operator", "NotFound 404", "KeyRefused"],
    }
    assert second == {"trigger_id": f"{always}:{hub.clock.now_ms()}", "bots": ["bot", "bot"]}
    loaded = set(third["loaded"]) - sys.stdlib_module_names - {"__main__"}
    assert {"condition_hub", "httpx", "msgspec"} <= loaded
    assert loaded <= {"condition_hub", "httpx", "httpcore", "h11", "anyio", "sniffio", "certifi", "idna", "msgspec",
                      "typing_extensions"}  # fmt: skip


def test_the_wheel_is_the_package_and_a_licence(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folder = ROOT / "condition_hub"
    assert names == {
        str(path.relative_to(ROOT)) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert "condition_hub/py.typed" in names
    licence = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("licenses/LICENSE"))
    assert zipfile.ZipFile(wheel).read(licence) == (ROOT / "LICENSE").read_bytes()


def test_a_wheel_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    sdist = built(CLIENT, tmp_path / "sdist", "sdist")
    subprocess.run(["tar", "xzf", str(sdist), "-C", str(tmp_path)], check=True)
    again = built(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "wheel", "wheel")
    assert again.read_bytes() == wheel.read_bytes()


def test_it_goes_with_the_hub() -> None:
    hub, client = (
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"] for folder in (ROOT, CLIENT)
    )
    assert client["version"] == hub["version"]
    assert client["requires-python"] == hub["requires-python"]
    of_the_hub = {each.name: each.specifier for each in map(Requirement, hub["dependencies"])}
    for each in map(Requirement, client["dependencies"]):
        installed = Version(distribution(each.name).version)
        assert installed in each.specifier
        assert installed in of_the_hub[each.name]
        lowest = next(one.version for one in SpecifierSet(str(of_the_hub[each.name])) if one.operator == ">=")
        assert Version(lowest) in each.specifier, f"the hub may be tested with {each.name} {lowest}"


def test_the_package_offers_what_its_public_module_has() -> None:
    assert dir(condition_hub) == public.__all__
    for path in (ROOT / "condition_hub").glob("*.py"):
        importlib.import_module(f"condition_hub.{path.stem}")
    for name in public.__all__:
        assert getattr(condition_hub, name) is getattr(public, name)
    with pytest.raises(AttributeError, match="no attribute 'extract_conditions'"):
        _ = condition_hub.extract_conditions  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["client", "client.bot_results", "client.results", "client.webhook_calls"])
def test_the_hub_offers_the_same_objects(module: str) -> None:
    offered = importlib.import_module(f"registry.{module}")
    names = set(offered.__all__) - ADDED
    assert names
    for name in names:
        original = getattr(offered, name)
        assert original.__module__.startswith("condition_hub.")
        assert getattr(importlib.import_module(original.__module__), name) is original


def test_errors_of_the_client_are_errors_of_the_hub() -> None:
    from common import errors

    for name in public.__all__:
        kind = getattr(public, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert getattr(errors, name) is kind
    assert issubclass(errors.ConditionError, condition_hub.HubError)


def test_the_blocking_client_is_the_one_for_asyncio_without_it() -> None:
    assert blocking() == BLOCKING.read_text(encoding="utf-8"), "run python -m tests.condition_hub.blocking_source"
