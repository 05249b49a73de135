"""Shell transcripts in pages: what is typed behind ``$``, and below it what was answered.

    python -m tests.docs.transcripts      runs those of docs/api.md against a hub and writes its answers into the page

Answers are compared in shape, not in numbers: status, fields, kinds of values.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWER = re.compile(r"(?P<body>.*?)(?: HTTP (?P<status>\d{3}))?\s*", re.DOTALL)
_LONGEST_LIST = 2
_PATIENCE_S = 30


@dataclass(frozen=True)
class Step:
    """One command and what the page says that it answers."""

    command: str
    shown: str


def steps(page: str) -> Iterator[Step]:
    """The commands of a page in their order."""
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield Step(command, shown.rstrip("\n"))


def typed(command: str, environment: Mapping[str, str]) -> str:
    """What a command writes on stdout."""
    shell = ["bash", "-c", command]
    # Some end with an error on purpose: curl does when it is stopped.
    done = subprocess.run(shell, check=False, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S)
    return done.stdout


def written(page: str, answer: Callable[[str], str]) -> str:
    """The page with the answers of its commands."""

    def block(transcript: re.Match[str]) -> str:
        parts = re.split(r"^\$ ", transcript[1], flags=re.MULTILINE)[1:]
        commands = [part.partition("\n")[0] for part in parts]
        return "```console\n" + "".join(f"$ {command}\n{laid_out(answer(command))}\n" for command in commands) + "```"

    return _BLOCK.sub(block, page)


def laid_out(answer: str) -> str:
    """An answer as the page shows it: JSON indented, of long lists the first items."""
    parts = _ANSWER.fullmatch(answer)
    assert parts is not None
    try:
        body = json.loads(parts["body"])
    except ValueError:
        return answer.strip("\n")
    return _indented(body) + (f" HTTP {parts['status']}" if parts["status"] else "")


def shape(answer: str) -> object:
    """What has to be the same whenever the command is typed."""
    parts = _ANSWER.fullmatch(answer)
    assert parts is not None
    try:
        return parts["status"], _shape(json.loads(parts["body"]))
    except ValueError:
        return tuple(_shape_of_line(line) for line in answer.strip().splitlines())


def fits(shown: object, answered: object) -> bool:
    """Whether two shapes are one: ``null`` goes with everything, an empty list with every list."""
    if shown is None or answered is None:
        return True
    if isinstance(shown, dict) and isinstance(answered, dict):
        return shown.keys() == answered.keys() and all(fits(shown[name], answered[name]) for name in shown)
    if isinstance(shown, list | tuple) and isinstance(answered, list | tuple):
        if type(shown) is tuple:
            return len(shown) == len(answered) and all(map(fits, shown, answered))
        return all(fits(one, other) for one in shown for other in answered)
    return shown == answered


def _shape(value: object) -> object:
    match value:
        case dict():
            return {name: _shape(item) for name, item in value.items()}
        case list():
            return [_shape(item) for item in value]
        case bool() | None:
            return None if value is None else "bool"
        case int() | float():
            return "number"
    return "text"


def _shape_of_line(line: str) -> object:
    """A line of an event stream, of headers or of metrics: its name, and the shape of JSON behind it."""
    name, _, rest = line.partition(": ")
    try:
        return name, _shape(json.loads(rest))
    except ValueError:
        return re.split(r"[: {]", line)[0], "text"


def _indented(body: object) -> str:
    text = json.dumps(_shortened(body), indent=2)
    # Lists of numbers and texts, and small objects, are easier to read in a line.
    return re.sub(r"[\[{][^\[\]{}]{0,160}[\]}]", lambda short: re.sub(r"\s*\n\s*", " ", short[0]), text)


def _shortened(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value[:_LONGEST_LIST]] if isinstance(value, list) else value


def main() -> None:
    """Write the answers of a hub that is made for it."""
    import tempfile

    from tests.docs.documented_hub import documented_hub

    page = ROOT / "docs" / "api.md"
    with tempfile.TemporaryDirectory() as folder, documented_hub(Path(folder)) as environment:
        text = written(page.read_text(encoding="utf-8"), lambda command: typed(command, environment))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
