"""Where the positions of tokens stand in a graph: on which axis of which operator's inputs and outputs.

A graph of any origin is understood as far as its operators work on each position alone, attention excepted. Whoever
rewrites a graph asks here what an operator needs for what is wanted of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

SEQUENCE_AXIS: Final = 1
HIDDEN_RANK: Final = 3
ATTENTION: Final = "ScaledDotProductAttention"
MASK_INPUT: Final = 3

Edges = dict[int, int]
"""Of a node's inputs those that carry positions, by index, with the axis on which they stand."""


def reads_first_token(node: Any) -> bool:
    """Whether this is a head's choice of the first token from hidden states [texts, tokens, width]."""
    if node.get_type_name() != "Gather" or node.get_input_partial_shape(0).rank.get_length() != HIDDEN_RANK:
        return False
    index, axis = constant(node, 1), constant(node, 2)
    if index is None or axis is None:
        return False
    return index.size == 1 and int(index) == 0 and int(axis) in (SEQUENCE_AXIS, SEQUENCE_AXIS - HIDDEN_RANK)


def edges_of(node: Any, axis: int) -> Edges | None:
    """What a node needs to give the first position on `axis` of its output; None if that cannot be told."""
    rule = _RULES.get(node.get_type_name())
    return None if rule is None else rule(node, axis)


def _elementwise(node: Any, axis: int) -> Edges | None:
    rank = node.get_output_partial_shape(0).rank.get_length()
    edges = {}
    for index in range(node.get_input_size()):
        shape = node.get_input_partial_shape(index)
        own = axis - (rank - shape.rank.get_length())
        if own < 0 or (shape[own].is_static and shape[own].get_length() == 1):
            continue
        edges[index] = own
    return edges


def _along_other_axes(node: Any, axis: int) -> Edges | None:
    """Normalizes or reduces, but not over positions."""
    rank = node.get_output_partial_shape(0).rank.get_length()
    if rank != node.get_input_partial_shape(0).rank.get_length():
        return None
    attributes = node.get_attributes()
    over = np.array(attributes["axis"]) if "axis" in attributes else constant(node, 1)
    return None if over is None or axis in over.reshape(-1) % rank else {0: axis}


def _matmul(node: Any, axis: int) -> Edges | None:
    rank = node.get_output_partial_shape(0).rank.get_length()
    rows = axis == rank - 2 and node.get_input_partial_shape(0).rank.get_length() == rank
    return {0: axis} if rows and not node.get_attributes()["transpose_a"] else None


def _transpose(node: Any, axis: int) -> Edges | None:
    order = constant(node, 1)
    return None if order is None else {0: int(order.reshape(-1)[axis])}


def _reshape(node: Any, axis: int) -> Edges | None:
    """Only where all axes up to this one stay what they are, whatever their length."""
    pattern, before = constant(node, 1), node.get_input_partial_shape(0)
    if pattern is None or not node.get_attributes()["special_zero"] or pattern[axis] != 0:
        return None
    kept = all(
        pattern[each] == 0 or (before[each].is_static and before[each].get_length() == pattern[each])
        for each in range(axis)
    )
    return {0: axis} if kept else None


def _attention(node: Any, axis: int) -> Edges | None:
    """Queries, and the mask's rows where it has one for each query; keys and values are needed in full."""
    if not attends_over(node, axis):
        return None
    edges = {0: axis}
    if node.get_input_size() > MASK_INPUT:
        mask = node.get_input_partial_shape(MASK_INPUT)
        rows = mask.rank.get_length() - 2
        if rows >= 0 and not (mask[rows].is_static and mask[rows].get_length() == 1):
            edges[MASK_INPUT] = rows
    return edges


def attends_over(node: Any, axis: int) -> bool:
    """Whether this attention's queries stand on `axis` of its output, and a mask alone says what they attend to."""
    return axis == node.get_output_partial_shape(0).rank.get_length() - 2 and not node.get_attributes()["causal"]


def source(node: Any, index: int) -> Any:
    """The node that makes an input."""
    return node.input(index).get_source_output().get_node()


def constant(node: Any, index: int) -> Any:
    """The values of an input that is a constant, else None."""
    made_by = source(node, index)
    return made_by.get_data() if made_by.get_type_name() == "Constant" else None


_RULES: Final[Mapping[str, Callable[[Any, int], Edges | None]]] = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Divide", "Power", "SquaredDifference"), _elementwise),
    **dict.fromkeys(
        ("Gelu", "Relu", "Tanh", "Erf", "Sigmoid", "Swish", "Sqrt", "Convert", "FakeQuantize"), _elementwise
    ),
    **dict.fromkeys(("MVN", "Softmax", "ReduceMean"), _along_other_axes),
    "MatMul": _matmul,
    "Transpose": _transpose,
    "Reshape": _reshape,
    ATTENTION: _attention,
}
