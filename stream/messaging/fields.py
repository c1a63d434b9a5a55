"""What the types of the messages say of their fields: names, types, units, meanings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec import inspect as kinds

from stream.messaging.messages import Part, Utc

_ENTRY = re.compile(r"^(\w+): ")
_UNITS = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_fps": "frames/s", "_hz": "Hz"}
_FOREIGN = {*msgspec.Struct.__mro__, *StrEnum.__mro__}  # bases that say other things
_UTC = kinds.type_info(Utc)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message, or of what it holds.

    path: from the message on: `time.clock`; `top[].p` of each object of a list.
    type: in JSON's words, with its unit.
    holds: whether it is an object, or a list of them, whose fields follow.
    """

    path: str
    type: str
    meaning: str
    holds: bool = False


def prose(kind: type) -> str:
    """A type's docstring without what it says of single fields, in a line."""
    paragraphs = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return " ".join(" ".join(p.split()) for p in paragraphs if not _ENTRY.match(p))


def meanings(kind: type) -> dict[str, str]:
    """What the docstrings of a type and its bases say of each field, as `name: meaning`."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base in _FOREIGN:
            continue
        name = ""
        for line in inspect.cleandoc(vars(base).get("__doc__") or "").splitlines():
            if (entry := _ENTRY.match(line)) is not None:
                name = entry[1]
                found[name] = line[entry.end() :]
            elif name and line.startswith(" "):
                found[name] += f" {line.strip()}"
            else:
                name = ""
    return {name: text[0].upper() + text[1:] for name, text in found.items()}


def fields(kind: type[Part], *, under: type[Part] = Part) -> Iterator[Field]:
    """Every field of a type but those of `under`, which it extends. After one that holds an object,
    or several, come the object's.
    """
    known = {field.name for field in msgspec.structs.fields(under)}
    info, said = _struct(kind), meanings(kind)
    if info.tag_field is not None and under is Part:
        yield Field(info.tag_field, "string", said[info.tag_field])
    for field in info.fields:
        if field.name not in known:
            yield from _field(field, said, "", "")


def parts(kind: type[msgspec.Struct]) -> Iterator[type]:
    """The type, and every other that its fields hold."""
    yield kind
    for field in _struct(kind).fields:
        held, _ = _held(field.type)
        if isinstance(held, kinds.StructType):
            yield from parts(held.cls)
        elif isinstance(held, kinds.EnumType):
            yield held.cls


def _struct(kind: type[msgspec.Struct]) -> kinds.StructType:
    info = kinds.type_info(kind)
    assert isinstance(info, kinds.StructType)
    return info


def _field(field: kinds.Field, said: dict[str, str], prefix: str, unit: str) -> Iterator[Field]:
    # A part of a duration is one in the same unit.
    path = f"{prefix}{field.encode_name}"
    ending = next((_UNITS[end] for end in _UNITS if field.encode_name.endswith(end)), unit)
    inner, brackets = _held(field.type)
    meaning = said.get(field.encode_name, "")
    if isinstance(inner, kinds.StructType):
        meaning = meaning or prose(inner.cls)
    holds = isinstance(inner, kinds.StructType)
    yield Field(path, _type(field.type, ending), meaning, holds)
    if isinstance(inner, kinds.StructType):
        for each in inner.fields:
            yield from _field(each, meanings(inner.cls), f"{path}{brackets}.", ending)


def _held(kind: kinds.Type) -> tuple[kinds.Type, str]:
    """What a field holds once null and the list around it are taken away."""
    if isinstance(kind, kinds.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, kinds.NoneType))
    if isinstance(kind, kinds.VarTupleType):
        return kind.item_type, "[]"
    return kind, ""


def _type(kind: kinds.Type, unit: str) -> str:
    """A type in words."""
    match kind:
        case kinds.UnionType(types=types):
            return " or ".join(_type(each, unit) for each in types)
        case kinds.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case kinds.EnumType(cls=cls):
            return cls.__name__.lower()
        case kinds.NoneType():
            return "null"
        case kinds.BoolType():
            return "true or false"
        case kinds.VarTupleType(item_type=item):
            return f"list of {_types(item, unit)}"
        case kinds.TupleType(item_types=items):
            return f"list of {len(items)} {_types(items[0], unit)}"
        case kinds.DictType(value_type=value):
            return f"{_types(value, unit)} by name"
        case _:
            return " ".join((_noun(kind), *_details(kind, unit)))


def _types(kind: kinds.Type, unit: str) -> str:
    return " ".join((f"{_noun(kind)}s", *_details(kind, unit)))


def _noun(kind: kinds.Type) -> str:
    match kind:
        case kinds.IntType():
            return "integer"
        case kinds.FloatType():
            return "number"
        case kinds.StructType():
            return "object"
        case _:
            return "time" if kind == _UTC else "string"


def _details(kind: kinds.Type, unit: str) -> tuple[str, ...]:
    """The bounds of a number, and its unit."""
    bounds = unit and f"({unit})"
    if isinstance(kind, kinds.FloatType) and None not in (kind.ge, kind.le):
        bounds = f"{kind.ge:g} to {kind.le:g}"
    return (bounds,) if bounds and isinstance(kind, kinds.IntType | kinds.FloatType) else ()
