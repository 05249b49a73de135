"""Bodies are read quickly where all parsers agree on them, and then as strictly as any other."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http import json_body
from api.http.json_body import BodyError, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        "-",
        "+",
        ".",
        "0",
        "00",
        "-0",
        "1",
        "1.0",
        "1.",
        ".5",
        "1e5",
        "1E-9",
        "1e999",
        "9223372036854775808",
        "true",
        "tru",
        "null",
        "NaN",
        "Infinity",
        '"a"',
        '"a":',
        '"\\u0061"',
        '"\\ud800"',
        '"\\n"',
        "\n",
        "\t",
        "\x00",
        "é",
        "𝄞",
        "//",
        "/**/",
        "'",
        '"a":1,"a":2',
    ]
)


def strictly(raw: bytes) -> Any:
    """The value by the slow way alone, or the error."""
    try:
        return json_body._read_strictly(raw.decode())
    except BodyError as error:
        return str(error)


def as_read(raw: bytes) -> Any:
    try:
        return read_json(raw)
    except BodyError as error:
        return str(error)


@given(VALUES, st.booleans())
def test_what_a_library_writes_is_read_as_by_the_strict_way(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if b"\xed" not in raw:
        # By their spelling: 1 and 1.0 are equal, 0.0 and -0.0 too.
        assert repr(as_read(raw)) == repr(strictly(raw))


@given(st.lists(PIECES, max_size=12))
def test_no_text_is_read_that_the_strict_way_refuses(pieces: list[str]) -> None:
    raw = "".join(pieces).encode()
    assert repr(as_read(raw)) == repr(strictly(raw))


@pytest.mark.parametrize(
    "raw",
    [b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}', b'[{"a": [{"b": 1, "b": [2]}]}]', b'{"a": 1, "\\u0061": 2}'],
)
def test_a_field_that_is_there_twice_is_refused_at_any_depth(raw: bytes) -> None:
    assert msgspec.json.decode(raw)
    with pytest.raises(BodyError, match="twice"):
        read_json(raw)
