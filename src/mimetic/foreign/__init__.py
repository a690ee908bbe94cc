"""Files that others made: bytes in, content out; nothing in them is ever run. To add a kind: a file here, a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mimetic.records import Entry

Reader = Callable[[bytes], Any]
"""A file's bytes to its content: an array, nested lists, a ``Sheet``, or a mapping of these. ``ClipError`` if not."""

READERS: dict[str, Entry] = {
    ".pkl": Entry(target="mimetic.foreign.pickles:read", about="a pickle of numpy arrays, lists or plain tensors"),
    ".pickle": Entry(target="mimetic.foreign.pickles:read", about="the same"),
    ".pt": Entry(target="mimetic.foreign.pickles:read", about="what torch.save wrote: tensors only"),
    ".pth": Entry(target="mimetic.foreign.pickles:read", about="the same"),
    ".npy": Entry(target="mimetic.foreign.arrays:read_npy", about="one numpy array"),
    ".npz": Entry(target="mimetic.foreign.arrays:read_npz", about="numpy arrays by name: embeddings, valid, times"),
    ".safetensors": Entry(target="mimetic.foreign.arrays:read_safetensors", about="tensors by name"),
    ".xz": Entry(target="mimetic.foreign.frames:read", about="pandas' compressed pickles: refused, with what to do"),
    ".csv": Entry(target="mimetic.foreign.tables:read", about="a table of numbers; OpenFace's and Py-Feat's by name"),
}
"""What files are read by, by the ends of their names."""
