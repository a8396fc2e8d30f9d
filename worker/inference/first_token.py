"""Leaves out what a classifier's last layer computes for nobody.

A classification head that reads the first token only (BERT, RoBERTa, DistilBERT and their kin) needs the last layer's
keys and values of all tokens, but its queries, attention output and feed-forward network for that one. The rest is
10/12 of the layer: two fifths of the work of a model of two layers, a seventh of one of six. What remains is computed
as before, so the logits are the same. Where an operator mixes positions, what comes before it is computed in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from openvino import opset13 as ops

from worker.inference.graph_positions import SEQUENCE_AXIS, Edges, edges_of, reads_first_token

Pick = Callable[[Any, int], Any]
"""From an output and the axis of its positions to the output with the wanted positions only."""


def keep_first_token(model: Any) -> int:
    """Rewrite an `openvino.Model` in place; how many operators now work on the first token alone (0: nothing to do)."""
    heads = [node for node in model.get_ordered_ops() if reads_first_token(node)]
    inside = narrow(model, heads, _first)
    if inside:
        model.validate_nodes_and_infer_types()
    return inside


def narrow(model: Any, heads: Sequence[Any], pick: Pick) -> int:
    """Have what only `heads` read compute the picked positions alone; how many operators those are."""
    narrowed: dict[str, Edges] = {node.get_name(): {0: SEQUENCE_AXIS} for node in heads}
    inside = []
    for node in reversed(model.get_ordered_ops()):
        axis = None if node.get_name() in narrowed else _asked_axis(node, narrowed)
        edges = None if axis is None else edges_of(node, axis)
        if edges:
            narrowed[node.get_name()] = edges
            inside.append(node)
    for node in inside:
        for index, axis in narrowed[node.get_name()].items():
            source = node.input(index).get_source_output()
            if source.get_node().get_name() not in narrowed:
                node.input(index).replace_source_output(pick(source, axis))
    return len(inside)


def _first(source: Any, axis: int) -> Any:
    return ops.gather(source, np.array([0], dtype=np.int64), np.int64(axis)).output(0)


def _asked_axis(node: Any, narrowed: Mapping[str, Edges]) -> int | None:
    """On which axis every reader of this node wants those positions only; None if one wants more."""
    if node.get_output_size() != 1:
        return None
    readers = node.output(0).get_target_inputs()
    axes = {narrowed.get(reader.get_node().get_name(), {}).get(reader.get_index()) for reader in readers}
    return axes.pop() if len(axes) == 1 else None
