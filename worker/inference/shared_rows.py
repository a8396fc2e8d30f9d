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
from worker.inference.graph_positions import (
    ATTENTION,
    MASK_INPUT,
    SEQUENCE_AXIS,
    Edges,
    attends_over,
    constant,
    edges_of,
    reads_first_token,
    source,
)

INPUTS: Final = ("input_ids", "position_ids", "segment_ids", "first_tokens")
SHUT: Final = np.float32(-1e30)  # added to a logit of attention: nothing is left of it in any precision
SHUT_BELOW: Final = -1e4  # what exporters add
ATTENTION_RANK: Final = 4
# What is read of a tensor by these is its shape or its type, not what it holds.
Readers = Mapping[str, Sequence[int]]
READERS_OF_FORM: Final[Readers] = {"ShapeOf": (0,), "ConvertLike": (1,)}
PROBED_TEXTS: Final = ((11, 1, 14, 0, 2, 3, 20, *range(4, 22)), (23, 12, 19, 15))
"""Ids of two texts of different length, with those in them that models pad with."""


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


class NotUnderstood(Exception):
    """This graph may do something else than what is understood here; the message says what."""


def share_rows(model: Any) -> SharedRows:
    """A rewritten copy of an `openvino.Model` of `input_ids`, `attention_mask` and perhaps `token_type_ids`.

    Types of tokens are 0 from then on. Raises NotUnderstood.
    """
    copy = model.clone()
    try:
        encoder = _Encoder(copy)
        return _rewritten(copy, encoder)
    except RuntimeError as error:
        raise NotUnderstood("OpenVINO refuses the rewritten graph") from error


class _Encoder:
    """What lies between the token ids and the head: the lookups in tables, and the attention."""

    def __init__(self, model: Any) -> None:
        nodes = model.get_ordered_ops()
        heads = [node for node in nodes if reads_first_token(node)]
        if len(heads) != 1 or constant(heads[0], 1).ndim:
            raise NotUnderstood("its head does not read the first token alone")
        self.head = heads[0]
        self.lookups: list[Any] = []
        self.attention: list[Any] = []
        axes: dict[str, int] = {}
        _ask(axes, self.head, {0: SEQUENCE_AXIS})
        for node in reversed(nodes):
            axis = axes.get(node.get_name())
            if axis is not None:
                _ask(axes, node, self._edges(node, axis))
        if not self.attention:
            raise NotUnderstood(f"it has no {ATTENTION}")
        if self._read_elsewhere(nodes, axes):
            raise NotUnderstood("hidden states are read by more than its head")
        self._check_head(nodes)

    def _check_head(self, nodes: Sequence[Any]) -> None:
        """Behind the choice of first tokens there is one row for a text: nothing may come in there that has others."""
        behind = {self.head.get_name()}
        for node in nodes:
            inputs = range(node.get_input_size())
            own = [index for index in inputs if source(node, index).get_name() in behind]
            if own:
                behind.add(node.get_name())
                if not all(index in own or _fixed(node, index, forms={}) for index in inputs):
                    raise NotUnderstood("its head reads more than the first token's state")

    def _read_elsewhere(self, nodes: Sequence[Any], axes: Mapping[str, int]) -> bool:
        """Whether hidden states are used for anything but what leads to the head, as a mean over all tokens would."""
        known = {*axes, self.head.get_name()}
        return any(
            source(node, index).get_name() in axes and index not in READERS_OF_FORM.get(node.get_type_name(), ())
            for node in nodes
            if node.get_name() not in known
            for index in range(node.get_input_size())
        )

    def _edges(self, node: Any, axis: int) -> Edges:
        kind = node.get_type_name()
        if node.get_output_size() != 1:
            raise NotUnderstood(f"a {kind} of several outputs")
        if kind == "Gather":
            self._check_lookup(node, axis)
            self.lookups.append(node)
            return {}
        if kind == ATTENTION:
            return self._attention_edges(node, axis)
        edges = edges_of(node, axis)
        if not edges or not all(_fixed(node, index) for index in range(node.get_input_size()) if index not in edges):
            raise NotUnderstood(f"what a {kind} does is not known to be done for each token alone")
        return edges

    def _attention_edges(self, node: Any, axis: int) -> Edges:
        ranks = {node.get_input_partial_shape(index).rank.get_length() for index in range(3)}
        masked = node.get_input_size() > MASK_INPUT
        if ranks != {ATTENTION_RANK} or not masked or not attends_over(node, axis):
            raise NotUnderstood("its attention has another form or no mask")
        self.attention.append(node)
        return dict.fromkeys(range(3), axis)

    def _check_lookup(self, node: Any, axis: int) -> None:
        rank = node.get_input_partial_shape(1).rank.get_length()
        if not _fixed(node, 0) or constant(node, 2) is None or int(constant(node, 2)) or (axis, rank) != (1, 2):
            raise NotUnderstood("what it looks up for a token is not understood")


def _ask(axes: dict[str, int], node: Any, edges: Edges) -> None:
    """Note on which axis the sources of a node have their positions; all their readers must agree."""
    for index, axis in edges.items():
        if axes.setdefault(source(node, index).get_name(), axis) != axis:
            raise NotUnderstood("tokens stand on several axes of one tensor")


def _fixed(node: Any, index: int, *, forms: Readers = READERS_OF_FORM) -> bool:
    """Whether an input is the same for all texts of a shape; with no `forms`, whatever their shape."""
    kind, waiting, seen = node.get_type_name(), [], set()
    if index not in forms.get(kind, ()):
        waiting.append(source(node, index))
    while waiting:
        each = waiting.pop()
        if each.get_name() in seen:
            continue
        seen.add(each.get_name())
        if each.get_type_name() == "Parameter":
            return False
        form = forms.get(each.get_type_name(), ())
        waiting += [source(each, number) for number in range(each.get_input_size()) if number not in form]
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
        raise NotUnderstood("it has no positions, or several kinds of them")
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
    raise NotUnderstood("its positions are not counted from a text's first token on")


def _check_masks(masks: Sequence[NDArray[Any]]) -> None:
    """Every mask must keep real tokens from padding and from nothing else."""
    _, real = _made_up_texts()
    for mask in masks:
        if mask.ndim != ATTENTION_RANK:
            raise NotUnderstood("its mask has another form")
        keys = np.broadcast_to(mask, (len(real), mask.shape[1], real.shape[1], real.shape[1]))
        open_to = keys if mask.dtype == np.bool_ else keys == 0
        shut_to = ~keys if mask.dtype == np.bool_ else keys < SHUT_BELOW
        for number, tokens in enumerate(real):
            queries, shut = open_to[number][:, tokens], shut_to[number][:, tokens]
            if not queries[..., tokens].all() or not shut[..., ~tokens].all():
                raise NotUnderstood("its mask does more than to hide padding")


def _mask(segment_ids: Any) -> Any:
    """[rows, 1, tokens, tokens], to be added: nothing between tokens of one text, `SHUT` between others."""
    own = ops.unsqueeze(segment_ids, np.array([1, 3], dtype=np.int64))
    others = ops.unsqueeze(segment_ids, np.array([1, 2], dtype=np.int64))
    return ops.select(ops.equal(own, others), np.float32(0), SHUT).output(0)


def _read_first_tokens(model: Any, head: Any, first_tokens: Any) -> None:
    def picked(states: Any, axis: int) -> Any:
        return ops.gather(states, first_tokens, np.int64(axis), batch_dims=1).output(0)

    if not narrow(model, [head], picked):
        raise NotUnderstood("its last layer cannot be computed for some tokens only")
    states = head.input(0).get_source_output()
    width = states.get_partial_shape()[-1].get_length()
    flat = ops.reshape(states, np.array([-1, width], dtype=np.int64), special_zero=False)
    for reader in head.output(0).get_target_inputs():
        reader.replace_source_output(flat.output(0))
