"""Every transcript of ``docs/api.md`` is what a hub answers, and every route is on the page."""

import json
import re
from collections.abc import Mapping

from tests.docs.transcripts import ROOT, fits, shape, steps, typed

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
STEPS = list(steps(PAGE))


def test_the_page_is_what_a_hub_answers(environment: Mapping[str, str]) -> None:
    assert len(STEPS) >= 25
    for step in STEPS:
        answer = typed(step.command, environment)
        assert fits(shape(step.shown), shape(answer)), f"$ {step.command}\n{answer}\ninstead of\n{step.shown}"


def test_every_route_is_on_the_page(environment: Mapping[str, str]) -> None:
    described = json.loads(typed('curl -s "$HUB/openapi.json"', environment))
    typed_routes = " ".join(step.command for step in STEPS)
    for path, methods in described["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "([0-9a-f]{32}|dca_bot_7)", re.escape(f"$HUB{path}")) + r'["?]'
        assert re.search(pattern, typed_routes), f"{', '.join(methods)} {path} is not shown"


def test_a_different_answer_does_not_pass() -> None:
    shown = '{"a": 1, "b": [{"c": "x"}], "d": null} HTTP 200'
    for other in (
        '{"a": "1", "b": [], "d": 1} HTTP 200',
        '{"a": 1, "b": [{"c": "x", "e": 1}], "d": null} HTTP 200',
        '{"a": 1, "b": [], "d": null} HTTP 201',
        '{"a": 1, "b": []} HTTP 200',
        "nothing",
    ):
        assert not fits(shape(shown), shape(other)), other
    assert not fits(shape("id: 1\nevent: trigger"), shape("id: 1"))
    assert not fits(shape("id: 1"), shape("id: x"))
    assert fits(shape(shown), shape('{"a": 2.5, "b": [], "d": {"x": 1}} HTTP 200'))
