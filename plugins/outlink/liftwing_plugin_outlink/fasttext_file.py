"""Whether a file is a whole fastText model.

fastText itself does not ask: before a file that was cut off it may run on for minutes, fill the memory, die of
a signal, or, worst, load and answer from zeros.

    magic, version                           2 int32
    dim, …, lrUpdateRate, t                  12 int32, 1 double
    size, words, labels, tokens, pruned      3 int32, 2 int64
    the dictionary, `size` times             text, NUL, int64, int8
    pairs of pruned words, `pruned` times    2 int32 (none where `pruned` is -1)
    two matrices, each                       int8: whether it is quantized; rows and columns, 2 int64; floats
    of one that is quantized                 int8: whether there are norms; rows and columns; int32: the size of the codes;
                                             the codes; a quantizer; and of norms: a byte a row, a quantizer
    a quantizer                              dim and three others, 4 int32; 256 dim floats
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["is_whole_model"]

_HEADER = struct.Struct("<2i 12i d 3i 2q")
_MAGIC = 793712314
_AFTER_TEXT = 10
_PRUNED_PAIR = 8
_DENSE = struct.Struct("<2q")
_QUANTIZED = struct.Struct("<? 2q i")
_QUANTIZER = struct.Struct("<4i")
_FLOAT = 4
_CENTROIDS = 256


def is_whole_model(path: Path) -> bool:
    """Whether the file begins as a fastText model, and is at least as long as its contents say.

    Args:
        path: A file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        beginning = file.read(_HEADER.size)
        if len(beginning) < _HEADER.size:
            return False
        magic, _, *_, entries, _, _, _, pruned = _HEADER.unpack(beginning)
        if magic != _MAGIC:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _end(content, entries, max(pruned, 0)) <= len(content)
            except (IndexError, struct.error):  # Something lies beyond the end of the file.
                return False


def _end(content: mmap.mmap, entries: int, pruned: int) -> int:
    """Where the last matrix ends."""
    position = _HEADER.size
    for _ in range(entries):
        end_of_text = content.find(b"\0", position)
        if end_of_text < 0:
            raise IndexError
        position = end_of_text + _AFTER_TEXT
    position += pruned * _PRUNED_PAIR
    for _ in range(2):
        quantized = content[position]
        position = (_end_of_quantized if quantized else _end_of_dense)(content, position + 1)
    return position


def _end_of_dense(content: mmap.mmap, position: int) -> int:
    rows, columns = _DENSE.unpack_from(content, position)
    return position + _DENSE.size + int(rows) * int(columns) * _FLOAT


def _end_of_quantized(content: mmap.mmap, position: int) -> int:
    norms, rows, _, codes = _QUANTIZED.unpack_from(content, position)
    position = _end_of_quantizer(content, position + _QUANTIZED.size + int(codes))
    return _end_of_quantizer(content, position + int(rows)) if norms else position


def _end_of_quantizer(content: mmap.mmap, position: int) -> int:
    dimension, *_ = _QUANTIZER.unpack_from(content, position)
    return position + _QUANTIZER.size + int(dimension) * _CENTROIDS * _FLOAT
