"""``hub test``: unit tests of conditions."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from hub.cli.output import AsJson, message, print_json


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(run_tests, name="test")


def run_tests(
    files: Annotated[list[Path], Parameter(help="Files of tests, in YAML; a folder stands for those below it.")],
    /,
    *,
    junit: Annotated[Path | None, Parameter(help="Write the outcomes to this file, as JUnit's XML.")] = None,
    json_output: AsJson = False,
) -> None:
    """Test conditions on values that a file says, and see that they fire on the bars that it expects.

    Needs no store and no candles; docs/rule-tests.md describes the files.
    """
    from analysis.rule_tests.judging import judge
    from analysis.rule_tests.reading import read_rule_tests
    from analysis.rule_tests.report import as_json, render, write_junit
    from common.errors import RuleTestError, RuleTestsFailed

    outcomes = [judge(test) for path in _yaml_files(files) for test in read_rule_tests(path)]
    if junit is not None:
        try:
            write_junit(outcomes, junit)
        except OSError as error:
            raise RuleTestError(f"--junit {junit}: {error.strerror or 'it cannot be written'}") from None
    if json_output:
        print_json(as_json(outcomes))
    else:
        for line in render(outcomes):
            print(line)
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    if failed:
        raise RuleTestsFailed(f"{failed:,} of {len(outcomes):,} tests failed")
    message("all conditions fire as their tests expect")


def _yaml_files(paths: list[Path]) -> list[Path]:
    """The files that paths stand for, each once."""
    from common.errors import RuleTestError

    files: dict[Path, None] = {}
    for path in paths:
        below = sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))) if path.is_dir() else [path]
        if not below:
            raise RuleTestError(f"{path}: there are no YAML files below this folder")
        files |= dict.fromkeys(below)
    return list(files)
