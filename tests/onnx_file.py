"""Writes a minimal ONNX classifier by hand, since the onnx package is not needed for anything else.

Logits are the sum, over the real tokens, of a row of the embedding table: `Gather`, `Cast`, `Unsqueeze`, `Mul`,
`ReduceSum`. The encoding is protobuf's, the field numbers are those of onnx.proto.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7


def write_onnx(path: Path, table: NDArray[np.float32], *, operator: str = "ReduceSum") -> None:
    """Write a model over the embedding `table` [vocabulary, labels]; `operator` renames the last operation."""
    nodes = [
        _node("Gather", ["table", "input_ids"], "rows"),
        _node("Cast", ["attention_mask"], "mask", attributes=_text(1, "to") + _number(3, FLOAT) + _number(20, 2)),
        _node("Unsqueeze", ["mask", "last"], "column"),
        _node("Mul", ["rows", "column"], "real"),
        _node(operator, ["real", "tokens"], "logits", attributes=_text(1, "keepdims") + _number(3, 0) + _number(20, 2)),
    ]
    graph = b"".join(_bytes(1, node) for node in nodes) + _text(2, "classifier")
    graph += _bytes(5, _tensor("table", FLOAT, table.shape, table.astype("<f4").tobytes()))
    graph += _bytes(5, _tensor("last", INT64, (1,), np.array([2], "<i8").tobytes()))
    graph += _bytes(5, _tensor("tokens", INT64, (1,), np.array([1], "<i8").tobytes()))
    graph += _bytes(11, _value("input_ids", INT64, ["batch", "length"]))
    graph += _bytes(11, _value("attention_mask", INT64, ["batch", "length"]))
    graph += _bytes(12, _value("logits", FLOAT, ["batch", table.shape[1]]))
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 17)))


def _node(kind: str, inputs: list[str], output: str, *, attributes: bytes = b"") -> bytes:
    encoded = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    return encoded + (_bytes(5, attributes) if attributes else b"")


def _tensor(name: str, kind: int, shape: tuple[int, ...], raw: bytes) -> bytes:
    return b"".join(_number(1, size) for size in shape) + _number(2, kind) + _text(8, name) + _bytes(9, raw)


def _value(name: str, kind: int, shape: list[str | int]) -> bytes:
    dimensions = b"".join(_bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
