"""The tests of conditions in docs/rule-tests.md pass as they stand, and so do those of docs/language.md's sentences."""

import re
from pathlib import Path

import pytest

from analysis.rule_tests.judging import judge
from analysis.rule_tests.reading import read_rule_tests

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "rule-tests.md").read_text(encoding="utf-8"), re.DOTALL)
LANGUAGE = read_rule_tests(Path(__file__).with_name("language.yaml"))


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_page(number: int, tmp_path: Path) -> None:
    # Paths in the examples are relative to a folder beside docs/.
    text = EXAMPLES[number].replace("file: ../", f"file: {ROOT}/")
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    tests = read_rule_tests(path)
    assert tests
    for test in tests:
        assert judge(test).failures == (), test.name


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("number", range(len(LANGUAGE)), ids=[test.name for test in LANGUAGE])
def test_a_sentence_of_the_language_page(number: int) -> None:
    assert judge(LANGUAGE[number]).failures == ()
