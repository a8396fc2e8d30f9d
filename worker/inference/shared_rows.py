"""Rewrites a classifier's graph so that several texts share a row of its input (`worker.inference.rows`).

Three things tell a text of a row from its neighbours: positions that start anew with each, a mask that lets a token
attend to its own text only, and the first tokens that the head reads, of which there are several in a row. All three
become inputs. Everything else works on each position alone, and that is made sure of: an operator that is not known to,
a mask or a position that is not what it should be, and the graph stays as it is.

Works for encoders with absolute positions and a head that reads the first token (BERT, RoBERTa, DistilBERT, ELECTRA and
their kin), as exported from torch with its own attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from worker.inference.first_token import narrow
from worker.inference.graph_positions import SEQUENCE_AXIS, Edges, constant, edges_of, reads_first_token

INPUTS: Final = ("input_ids", "position_ids", "segment_ids", "first_tokens")
BLOCKED: Final = np.float32(-1e30)  # added to a logit of attention: nothing is left of it in any precision
ATTENTION: Final = "ScaledDotProductAttention"
ATTENTION_RANK: Final = 4
MASK_INPUT: Final = 3
# What is read of a tensor by these is its shape or its type, not what it holds.
READERS_OF_FORM: Final = {"ShapeOf": (0,), "ConvertLike": (1,)}
PROBED_TEXTS: Final = ((11, 1, 14, 0, 2, 3, 20), (23, 12, 19, 15))
"""Ids of two texts of different length, with those in them that models pad with."""
BLOCKING: Final = -1e4


@dataclass(frozen=True, slots=True)
class Positions:
    """Position ids of a text's tokens: `first` and on. Tokens whose id is `uncounted` get that instead (RoBERTa)."""

    first: int = 0
    uncounted: int | None = None

    def of(self, ids: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of tokens, text after text, that stand on these places in their texts, from 0 on."""
        if self.uncounted is None:
            return columns + self.first
        skipped = ids == self.uncounted
        before = skipped.cumsum() - skipped
        begins = np.maximum.accumulate(np.where(columns == 0, np.arange(len(ids)), 0))
        counted = columns - (before - before[begins]) + self.first
        return np.where(skipped, self.uncounted, counted)


@dataclass(frozen=True, slots=True)
class SharedRows:
    """The rewritten graph with `INPUTS`, int64 [rows, width] and [rows, slots]; logits are [rows * slots, labels]."""

    graph: Any
    positions: Positions


class _NotUnderstood(Exception):
    """This graph may do something else than what is understood here."""


def share_rows(model: Any) -> SharedRows | None:
    """A rewritten copy of an `openvino.Model` of `input_ids` and `attention_mask`; None where it is not understood."""
    copy = model.clone()
    try:
        encoder = _Encoder(copy)
        return _rewritten(copy, encoder)
    except (_NotUnderstood, RuntimeError):
        return None


class _Encoder:
    """What lies between the token ids and the head: the lookups in tables, and the attention."""

    def __init__(self, model: Any) -> None:
        nodes = model.get_ordered_ops()
        heads = [node for node in nodes if reads_first_token(node)]
        if len(heads) != 1 or constant(heads[0], 1).ndim:
            raise _NotUnderstood
        self.head = heads[0]
        self.lookups: list[Any] = []
        self.attention: list[Any] = []
        axes: dict[str, int] = {}
        _ask(axes, self.head, {0: SEQUENCE_AXIS})
        for node in reversed(nodes):
            axis = axes.get(node.get_name())
            if axis is not None:
                _ask(axes, node, self._edges(node, axis))
        if not self.attention or self._read_elsewhere(nodes, axes):
            raise _NotUnderstood

    def _read_elsewhere(self, nodes: Sequence[Any], axes: Mapping[str, int]) -> bool:
        """Whether hidden states are used for anything but what leads to the head, as a mean over all tokens would."""
        known = {*axes, self.head.get_name()}
        return any(
            _source(node, index).get_name() in axes and index not in READERS_OF_FORM.get(node.get_type_name(), ())
            for node in nodes
            if node.get_name() not in known
            for index in range(node.get_input_size())
        )

    def _edges(self, node: Any, axis: int) -> Edges:
        kind = node.get_type_name()
        if node.get_output_size() != 1:
            raise _NotUnderstood
        if kind == "Gather":
            self._check_lookup(node, axis)
            self.lookups.append(node)
            return {}
        if kind == ATTENTION:
            return self._attention_edges(node, axis)
        edges = edges_of(node, axis)
        if not edges or not all(_fixed(node, index) for index in range(node.get_input_size()) if index not in edges):
            raise _NotUnderstood
        return edges

    def _attention_edges(self, node: Any, axis: int) -> Edges:
        ranks = {node.get_input_partial_shape(index).rank.get_length() for index in range(3)}
        masked = node.get_input_size() > MASK_INPUT
        if ranks != {ATTENTION_RANK} or axis != ATTENTION_RANK - 2 or not masked or node.get_attributes()["causal"]:
            raise _NotUnderstood
        self.attention.append(node)
        return dict.fromkeys(range(3), axis)

    def _check_lookup(self, node: Any, axis: int) -> None:
        rank = node.get_input_partial_shape(1).rank.get_length()
        if not _fixed(node, 0) or constant(node, 2) is None or int(constant(node, 2)) or (axis, rank) != (1, 2):
            raise _NotUnderstood


def _ask(axes: dict[str, int], node: Any, edges: Edges) -> None:
    """Note on which axis the sources of a node have their positions; all their readers must agree."""
    for index, axis in edges.items():
        if axes.setdefault(_source(node, index).get_name(), axis) != axis:
            raise _NotUnderstood


def _source(node: Any, index: int) -> Any:
    return node.input(index).get_source_output().get_node()


def _fixed(node: Any, index: int) -> bool:
    """Whether an input is the same for all texts of a shape."""
    kind, waiting, seen = node.get_type_name(), [], set()
    if index not in READERS_OF_FORM.get(kind, ()):
        waiting.append(_source(node, index))
    while waiting:
        each = waiting.pop()
        if each.get_name() in seen:
            continue
        seen.add(each.get_name())
        if each.get_type_name() == "Parameter":
            return False
        form = READERS_OF_FORM.get(each.get_type_name(), ())
        waiting += [_source(each, number) for number in range(each.get_input_size()) if number not in form]
    return True


def _rewritten(model: Any, encoder: _Encoder) -> SharedRows:
    parameters = [ops.parameter([-1, -1], ov.Type.i64, name=name) for name in INPUTS]
    for parameter, name in zip(parameters, INPUTS, strict=True):
        parameter.output(0).set_names({name})
    ids, position_ids, segment_ids, first_tokens = parameters
    indices, masks = _probed(model, encoder)
    found: set[Positions] = set()
    for lookup, index in zip(encoder.lookups, indices, strict=True):
        meaning = _meaning(index)
        if isinstance(meaning, Positions):
            found.add(meaning)
            replacement = position_ids.output(0)
        elif meaning is None:
            replacement = ids.output(0)
        else:
            replacement = ops.constant(np.full((1, 1), meaning, dtype=np.int64)).output(0)
        lookup.input(1).replace_source_output(replacement)
    if len(found) != 1:
        raise _NotUnderstood
    _check_masks(masks)
    mask = _mask(segment_ids)
    for attention in encoder.attention:
        attention.input(MASK_INPUT).replace_source_output(mask)
    _read_first_tokens(model, encoder.head, first_tokens)
    return SharedRows(ov.Model(model.get_results(), parameters), found.pop())


def _probed(model: Any, encoder: _Encoder) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """What two made-up texts make of the indices of every lookup, and of the masks."""
    wanted = [(node, 1) for node in encoder.lookups] + [(node, MASK_INPUT) for node in encoder.attention]
    outputs = [node.input(index).get_source_output() for node, index in wanted]
    results = [ops.result(output) for output in outputs]
    probe = ov.Model(results, model.get_parameters())
    compiled = ov.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ids, real = _made_up_texts()
    fed = {"input_ids": ids, "attention_mask": real.astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    inputs = {name: fed[name] for name in (port.get_any_name() for port in compiled.inputs)}
    made = compiled(inputs)
    values = [np.array(made[number]) for number in range(len(wanted))]
    return values[: len(encoder.lookups)], values[len(encoder.lookups) :]


def _made_up_texts() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    longest = max(map(len, PROBED_TEXTS))
    real = np.arange(longest) < np.array([[len(text)] for text in PROBED_TEXTS])
    ids = np.zeros(real.shape, dtype=np.int64)
    ids[real] = np.concatenate(PROBED_TEXTS)
    return ids, real


def _meaning(index: NDArray[Any]) -> Positions | int | None:
    """What a lookup looks up: positions, always the same, or (None) the tokens themselves."""
    ids, real = _made_up_texts()
    wide = np.broadcast_to(index, ids.shape)
    if np.array_equal(wide[real], ids[real]):
        return None
    first = int(wide[0, 0])
    if (wide == first).all():
        return first
    columns = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    for positions in (Positions(first), Positions(first, uncounted=first - 1)):
        if np.array_equal(wide[real], positions.of(ids[real], columns[real])):
            return positions
    raise _NotUnderstood


def _check_masks(masks: Sequence[NDArray[Any]]) -> None:
    """Every mask must keep real tokens from padding and from nothing else."""
    _, real = _made_up_texts()
    for mask in masks:
        if mask.ndim != ATTENTION_RANK:
            raise _NotUnderstood
        keys = np.broadcast_to(mask, (len(real), mask.shape[1], real.shape[1], real.shape[1]))
        open_to = keys if mask.dtype == np.bool_ else keys == 0
        shut_to = ~keys if mask.dtype == np.bool_ else keys < BLOCKING
        for number, tokens in enumerate(real):
            queries, shut = open_to[number][:, tokens], shut_to[number][:, tokens]
            if not queries[..., tokens].all() or not shut[..., ~tokens].all():
                raise _NotUnderstood


def _mask(segment_ids: Any) -> Any:
    """[rows, 1, tokens, tokens], to be added: nothing between tokens of one text, `BLOCKED` between others."""
    own = ops.unsqueeze(segment_ids, np.array([1, 3], dtype=np.int64))
    others = ops.unsqueeze(segment_ids, np.array([1, 2], dtype=np.int64))
    return ops.select(ops.equal(own, others), np.float32(0), BLOCKED).output(0)


def _read_first_tokens(model: Any, head: Any, first_tokens: Any) -> None:
    def picked(source: Any, axis: int) -> Any:
        return ops.gather(source, first_tokens, np.int64(axis), batch_dims=1).output(0)

    if not narrow(model, [head], picked):
        raise _NotUnderstood
    source = head.input(0).get_source_output()
    width = source.get_partial_shape()[-1].get_length()
    flat = ops.reshape(source, np.array([-1, width], dtype=np.int64), special_zero=False)
    for reader in head.output(0).get_target_inputs():
        reader.replace_source_output(flat.output(0))
