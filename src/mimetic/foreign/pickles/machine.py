"""Python's small machine for pickles, with few words: a program in, what it makes out, and nothing is run.

A program can call our stand-ins and nothing that they return, and give a state to what they made and to nothing else:
a function that took one would be another function for the next file.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any

from mimetic.foreign.pickles.stand_ins import STAND_INS, Array, Type, check_keys
from mimetic.records import ClipError

MOST = 1 << 23
"""Lists, tuples and mappings that one file may make: each takes a byte there, and some sixty here."""

# fmt: off
WORDS = (
    "MARK", "STOP", "POP", "POP_MARK", "DUP", "FLOAT", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1",
    "LONG4", "NONE", "NEWTRUE", "NEWFALSE", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "APPEND", "APPENDS", "LIST", "EMPTY_LIST", "DICT", "EMPTY_DICT", "SETITEM", "SETITEMS", "TUPLE", "EMPTY_TUPLE",
    "TUPLE1", "TUPLE2", "TUPLE3", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GLOBAL",
    "STACK_GLOBAL", "INST", "REDUCE", "BUILD", "PROTO", "FRAME", "PERSID", "BINPERSID",
)
# fmt: on
"""What the machine understands: no sets, no objects of classes, no registered extensions, no buffers elsewhere."""

CONTAINERS = ("MARK", "LIST", "EMPTY_LIST", "DICT", "EMPTY_DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE")
"""Those that make something that holds others, or call what does."""


class Name:
    """A name on the machine's stack: it can be called there, and nothing else."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


class Machine(pickle._Unpickler):
    """The small machine, with few words."""

    stack: list[Any]

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._made = 0

    def find_class(self, module: str, name: str) -> Any:
        """Give our stand-in for a name."""
        stand_in = STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise ClipError(f"wants to run {module}.{name}, which is not done: save arrays as .npy or .npz")
        return Name(stand_in)

    def persistent_load(self, _: Any) -> Any:
        """Refuse what lies elsewhere."""
        raise ClipError("points to something outside itself")

    def count(self) -> None:
        """Count one more container."""
        self._made += 1
        if self._made > MOST:
            raise ClipError(f"holds more than {MOST:,} lists")

    def load_reduce(self) -> None:
        """Call a stand-in: what is on the stack and is none is not called."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise ClipError("calls what is no function")
        self.stack.append(function.call(*arguments))

    def load_build(self) -> None:
        """Give a state to a stand-in's making; a function that took one would be another for the next file."""
        if not isinstance(self.stack[-2], Type | Array):
            raise ClipError("gives a state to what has none")
        state = self.stack.pop()
        self.stack[-1].__setstate__(state)

    def load_bytearray8(self) -> None:
        """Take as many bytes as there are, not as many as are claimed."""
        (size,) = struct.unpack("<Q", self._take(8))
        self.stack.append(bytearray(self._take(size)))

    def _take(self, size: int) -> bytes:
        data: bytes = self.read(size)  # type: ignore[attr-defined]
        return data

    def load_setitem(self) -> None:
        """Put one pair into a mapping."""
        check_keys(self.stack[-2:-1])
        super().load_setitem()  # type: ignore[misc]

    def load_setitems(self) -> None:
        """Put pairs into a mapping."""
        check_keys(self.stack[::2])
        super().load_setitems()  # type: ignore[misc]

    def load_dict(self) -> None:
        """Make a mapping of pairs."""
        check_keys(self.stack[::2])
        super().load_dict()  # type: ignore[misc]


def _steps() -> dict[int, Callable[[Machine], None]]:
    """Give what each word does: Python's own steps, or ours where there is one."""

    def counted(step: Callable[[Machine], None]) -> Callable[[Machine], None]:
        def count_and_step(machine: Machine) -> None:
            machine.count()
            step(machine)

        return count_and_step

    steps: dict[int, Callable[[Machine], None]] = {}
    for word in WORDS:
        code = getattr(pickle, word)[0]
        step = getattr(Machine, pickle._Unpickler.dispatch[code].__name__)
        steps[code] = counted(step) if word in CONTAINERS else step
    return steps


Machine.dispatch = _steps()  # type: ignore[assignment]
