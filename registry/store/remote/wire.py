"""The store's operations as bytes, derived from the signatures of :class:`registry.store.protocol.Store`.

A call is a MessagePack map of its arguments, an answer is its value. Frames travel as Arrow IPC, a condition as its
text and id, an error as the name of its class. Changing a signature, or the formula of an indicator, changes
``PROTOCOL``, and both ends notice.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from typing import Any, get_args, get_type_hints

import msgspec
import polars as pl

from common import errors
from common.errors import HubError, StoreError
from registry.conditions import Condition
from registry.directory import Directory
from registry.groups import Group, Series
from registry.instruments import Listing
from registry.naming import CANONICAL, reading
from registry.rereading import definition_versions
from registry.store.protocol import Store

CONTENT_TYPE = "application/vnd.msgpack"
PROTOCOL_HEADER = "x-hub-store-protocol"
CALL_HEADER = "x-hub-store-call"
"""Names one call, so that its repetition gets the answer of the first one."""


class _Spelled(msgspec.Struct, array_like=True, frozen=True):
    """A condition in transit."""

    condition_id: str
    text: str

    def read(self) -> Condition:
        """The condition; raises :class:`StoreError` if it has another id here."""
        with reading(CANONICAL):
            condition = Condition.parse(self.text)
        if condition.id != self.condition_id:
            raise StoreError(
                f"{self.text!r} has the id {condition.id} here, but {self.condition_id} where it comes from; the two "
                "processes have different versions of the hub; restart both with the same one"
            )
        return condition


@dataclass(frozen=True)
class Operation:
    """One method of the store; ``part`` is the property that it belongs to, ``None`` for the store's own methods."""

    part: str | None
    method: Callable[..., Any]

    @property
    def name(self) -> str:
        """``candles.upsert``"""
        own = self.method.__name__
        return own if self.part is None else f"{self.part}.{own}"

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.method)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        hints = get_type_hints(self.method)
        return {name: list[_Spelled] if hint == Sequence[Condition] else hint for name, hint in hints.items()}

    @cached_property
    def _arguments(self) -> type[msgspec.Struct]:
        struct_fields: list[Any] = []
        for parameter in list(self.signature.parameters.values())[1:]:
            hint = self._hints[parameter.name]
            has_default = parameter.default is not inspect.Parameter.empty
            struct_fields.append((parameter.name, hint, parameter.default) if has_default else (parameter.name, hint))
        return msgspec.defstruct(self.method.__name__, struct_fields, kw_only=True, forbid_unknown_fields=True)

    @cached_property
    def _call_decoder(self) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(self._arguments, dec_hook=_restored)

    @cached_property
    def _answer_decoder(self) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(self._hints["return"], dec_hook=_restored)

    def encode_call(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> bytes:
        """The arguments of a call; raises ``TypeError`` for arguments that the method does not take."""
        bound = self.signature.bind(None, *arguments, **named).arguments
        for name in bound.keys() & self._hints.keys():
            if self._hints[name] == list[_Spelled]:
                bound[name] = [_Spelled(condition.id, str(condition)) for condition in bound[name]]
        return _encode(dict(list(bound.items())[1:]))

    def run(self, store: Store, body: bytes) -> bytes:
        """Carry out a call and return its answer. Raises :class:`StoreError` for a body that is not such a call."""
        try:
            call = self._call_decoder.decode(body)
        except (msgspec.MsgspecError, pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise StoreError(f"this is not a call of {self.name}: {error}") from error
        owner = store if self.part is None else getattr(store, self.part)
        positional, named = [], {}
        for parameter in list(self.signature.parameters.values())[1:]:
            value = getattr(call, parameter.name)
            if self._hints[parameter.name] == list[_Spelled]:
                value = [spelled.read() for spelled in value]
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        return _encode(getattr(owner, self.method.__name__)(*positional, **named))

    def decode_answer(self, body: bytes) -> Any:
        """The value of an answer."""
        return self._answer_decoder.decode(body)

    def described(self) -> str:
        """The operation, and every record that it depends on, as text."""
        records = {name: hint for hint in self._hints.values() for name, hint in _records_in(hint)}
        shapes = [
            f"{name}({', '.join(f'{field.name}: {field.type}' for field in fields(records[name]))})"
            for name in sorted(records)
        ]
        return f"{self.name}{self.signature} {' '.join(shapes)}"


def operations() -> dict[str, Operation]:
    """All operations by name: ``candles.upsert``, ``rebase``."""
    return _OPERATIONS


def encode_error(error: HubError) -> bytes:
    """An error as bytes: the name of its class, its message and its attributes."""
    return _encode([type(error).__name__, str(error), vars(error)])


def decode_error(body: bytes) -> HubError:
    """The error that :func:`encode_error` encoded; a :class:`StoreError` if its class is not known here."""
    name, message, attributes = msgspec.msgpack.decode(body, type=tuple[str, str, dict[str, Any]])
    kind = getattr(errors, name, None)
    known = kind if isinstance(kind, type) and issubclass(kind, HubError) else StoreError
    # Not through its constructor, which may need more than a message.
    error = known.__new__(known)
    error.args = (message,)
    vars(error).update(attributes)
    return error


def _find_operations() -> Iterator[Operation]:
    for name, member in vars(Store).items():
        if isinstance(member, property):
            part = get_type_hints(member.fget)["return"]
            for own, method in vars(part).items():
                if inspect.isfunction(method) and not own.startswith("_"):
                    yield Operation(name, method)
        elif inspect.isfunction(member) and not name.startswith("_") and name != "close":
            yield Operation(None, member)


def _encode(value: object) -> bytes:
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError as error:
        raise StoreError(f"text with {error.object[error.start]!a} cannot be sent: half of a surrogate pair") from error


def _plain(value: object) -> object:
    """A value that msgspec does not know, as one that it knows."""
    if isinstance(value, pl.DataFrame):
        return _ipc(value)
    if isinstance(value, range):
        return (value.start, value.stop)
    if isinstance(value, Series | Group):
        return str(value)
    if isinstance(value, Directory):
        return value.listings
    if isinstance(value, Iterable):
        return list(value)
    if hasattr(value, "__index__"):
        return int(value)
    raise StoreError(f"a value of type {type(value).__name__} cannot be sent to the store's owner")


def _restored(kind: type, value: Any) -> object:
    if kind is pl.DataFrame:
        return pl.read_ipc_stream(BytesIO(value))
    if kind is range:
        return range(*value)
    if kind is Series or kind is Group:
        return kind.parse(value)
    if kind is Directory:
        return Directory(msgspec.convert(value, list[Listing]))
    return value


def _ipc(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def _records_in(hint: Any) -> Iterator[tuple[str, Any]]:
    for inner in get_args(hint):
        yield from _records_in(inner)
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint.__name__, hint
        for inner in get_type_hints(hint).values():
            yield from _records_in(inner)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_OPERATIONS = {operation.name: operation for operation in _find_operations()}

PROTOCOL = sha256(
    "\n".join([*map(Operation.described, _OPERATIONS.values()), definition_versions()]).encode()
).hexdigest()[:16]
"""Identifies this version of the operations and their records, and of the formulas: a process with other formulas would
take the conditions of the store for unreadable."""
