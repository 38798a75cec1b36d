"""Objects of the kinds that agents produce, and objects that fight back."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import attrs
import msgspec

from trio_agent_rt.protocol.jsonable import Plain

# --- kinds of values


@attrs.frozen
class AttrsPoint:
    x: int
    y: object = None


@dataclasses.dataclass
class DataPoint:
    x: int = 0
    y: object = None


class StructPoint(msgspec.Struct):
    x: int
    y: object = None


class TuplePoint(NamedTuple):
    x: int
    y: object = None


class ModelPoint:
    """Like pydantic's models."""

    def model_dump(self) -> dict[str, Any]:
        return {"x": 1, "y": None}


class Color(enum.Enum):
    RED = "red"
    NONE = None
    POINT = AttrsPoint(1)


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    """A str of another class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not what it holds"

    encode = None  # type: ignore[assignment]


class Whole(int):
    pass


class Real(float):
    pass


class Scalar:
    """Like NumPy's scalars and arrays of no dimension."""

    dtype = "float32"
    ndim = 0

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")

    def __iter__(self) -> Iterator[object]:
        raise TypeError("iteration over a 0-d array")


class Array:
    """Like NumPy's arrays: no Sequence."""

    dtype = "float32"
    ndim = 1

    def __init__(self, *values: float) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Scalar]:
        return map(Scalar, self.values)


# --- objects that fight back


def raising(*_: object, **__: object) -> Any:
    raise RuntimeError("no")


class RaisingIter(Sequence[int]):
    __iter__ = __len__ = __getitem__ = raising


class RaisingDict(dict[str, int]):
    items = keys = values = __len__ = raising


class RaisingMidway(list[int]):
    def __iter__(self) -> Iterator[int]:
        yield 1
        raise RuntimeError("no")


@attrs.define
class RaisingField:
    x: int = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "x":
            raise RuntimeError("no")
        return super().__getattribute__(name)


class RaisingText(Exception):
    __str__ = __repr__ = raising


class RaisingClass:
    __class__ = property(raising)  # type: ignore[assignment]


class RaisingEverything:
    __getattribute__ = __getattr__ = __str__ = __repr__ = __hash__ = __eq__ = raising  # type: ignore[assignment]
    __bool__ = __len__ = __iter__ = __index__ = raising


class RaisingModel:
    model_dump = raising


class RaisingPath:
    __fspath__ = raising


class LyingMeta(type):
    __getattribute__ = __getattr__ = __call__ = raising  # type: ignore[assignment]
    __instancecheck__ = __subclasscheck__ = __hash__ = __eq__ = raising  # type: ignore[assignment]


class Lied(metaclass=LyingMeta):
    pass


class ClaimsToBe:
    """Its `__class__` names another class."""

    def __init__(self, cls: type) -> None:
        self.claimed = cls

    @property
    def __class__(self) -> type:
        return self.claimed

    @__class__.setter
    def __class__(self, cls: type) -> None:
        raise TypeError

    def __index__(self) -> int:
        return 10**12


class EndlessDepth:
    """Each field holds another."""

    def model_dump(self) -> dict[str, Any]:
        return {"next": EndlessDepth()}


class EndlessList(list[int]):
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1

    def __len__(self) -> int:
        return -1  # noqa: PLE0303


class EndlessItem(Scalar):
    def item(self) -> object:
        return EndlessItem(0)


class LyingLen(dict[str, int]):
    def __len__(self) -> int:
        return 0


class OddModule:
    __module__ = 7  # type: ignore[assignment]


FIGHTING: list[Callable[[], object]] = [
    RaisingIter,
    lambda: RaisingDict(a=1),
    lambda: RaisingMidway([1]),
    RaisingField,
    RaisingText,
    RaisingClass,
    RaisingEverything,
    RaisingModel,
    RaisingPath,
    lambda: object.__new__(Lied),
    lambda: Lied,
    *(
        (lambda cls=cls: ClaimsToBe(cls))
        for cls in (str, int, float, bytes, dict, list, enum.Enum, Plain, datetime.date, Exception)
    ),
    EndlessDepth,
    EndlessList,
    lambda: EndlessItem(0),
    lambda: LyingLen(a=1),
    OddModule,
    lambda: types.SimpleNamespace(model_dump=3),
    lambda: namedtuple("Odd", ["_asdict"], rename=True)(1),
]
