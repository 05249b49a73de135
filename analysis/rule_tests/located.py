"""A YAML file as values that know their lines, so that an error can name the place."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from common.errors import HubError, RuleTestError
from common.spelling import did_you_mean


@dataclass(frozen=True)
class Located:
    """A value of a file, and where it is."""

    path: Path
    node: yaml.Node

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def error(self, message: str) -> RuleTestError:
        """An error about this place."""
        return RuleTestError(f"{self.path}:{self.line}: {message}")

    @contextmanager
    def explained(self, prefix: str = "") -> Iterator[None]:
        """Errors of the hub within it name this place."""
        try:
            yield
        except HubError as error:
            raise self.error(f"{prefix}{error}") from None

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    def mapping(self, what: str, allowed: Collection[str] | None = None) -> "dict[str, Located]":
        """The values of a mapping by their keys; ``what`` it is, for messages."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"{what} is a mapping, such as `key: value` on a line of its own")
        values: dict[str, Located] = {}
        for key, value in self.node.value:
            name = Located(self.path, key)
            word = name.text("a key")
            if allowed is not None and word not in allowed:
                hint = did_you_mean(word[:40], allowed)
                raise name.error(f"{what} has no {word!r}{hint}; it has {', '.join(allowed)}")
            if word in values:
                raise name.error(f"{word!r} is there twice, the first time in line {values[word].line}")
            values[word] = Located(self.path, value)
        return values

    def items(self, what: str) -> "list[Located]":
        """The values of a list; ``what`` it is, for messages."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error(f"{what} is a list, such as [2, 5], or lines that begin with -")
        return [Located(self.path, value) for value in self.node.value]

    def text(self, what: str) -> str:
        """A single value as it is written; ``what`` it is, for messages."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error(f"{what} is one value, not a list or a mapping")
        return str(self.node.value).strip()

    def words(self, what: str) -> str:
        """A text, or the values of a list with blanks between them."""
        return " ".join(item.text(what) for item in self.items(what)) if self.is_list else self.text(what)

    def whole(self, what: str) -> int:
        """A whole number from 0 on; ``what`` it is, for messages."""
        text = self.text(what)
        if not (text.isascii() and text.isdecimal()) or len(text) > 9:
            raise self.error(f"{what} is a whole number from 0 on, not {text[:40]!r}")
        return int(text)

    def plain(self) -> Any:
        """The value as Python has it: for a condition written as an object."""
        return yaml.safe_load(yaml.serialize(self.node))


def read_located(path: Path) -> Located:
    """The one document of a file. Raises :class:`common.errors.RuleTestError`."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise RuleTestError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    except UnicodeDecodeError:
        raise RuleTestError(f"{path}: it is no text in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        hint = "; write a text with a colon in it in quotes" if "mapping values" in str(error.problem) else ""
        raise RuleTestError(f"{where}: it is no YAML: {error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise RuleTestError(f"{path}: it is no YAML: {error}") from None
    if node is None:
        raise RuleTestError(f"{path}: the file is empty; it has `tests:`, a list of them (docs/rule-tests.md)")
    return Located(path, node)
