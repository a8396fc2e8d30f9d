"""Graphs of real architectures whose texts share rows, against the same graphs with a padded row for each text."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from tests.integration.inference.tiny_families import VOCABULARY, made_up, pad_id_of, tiny_model
from worker.inference.graph_positions import reads_first_token
from worker.inference.openvino_inputs import RowInputs
from worker.inference.rows import lay
from worker.inference.shared_rows import NotUnderstood, SharedRows, share_rows

pytestmark = pytest.mark.torch

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra")
MANY = [9, 3, 30, 12, 5, 40, 64, 2, 21, 7, 33, 3, 18, 50, 6, 11]
SAME = [29, 30, 30]


@cache
def tiny_graph(family: str) -> Any:
    """Not to be changed."""
    return graph_of(tiny_model(family, initializer_range=0.3))


def graph_of(model: Any, *, token_types: bool = False) -> Any:
    """As OpenVINO reads it from torch; traced with a padded text, as on export."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor | None = None,
        ) -> Any:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits

    ids, mask = made_up([7, 4], pad_id=int(model.config.pad_token_id))
    example = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if token_types:
        example["token_type_ids"] = torch.zeros_like(example["input_ids"])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return ov.convert_model(Logits().eval(), example_input=example)


def compiled(graph: Any) -> Any:
    return ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def in_rows(shared: SharedRows, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    inputs, rows = RowInputs(shared.positions).of(ids, mask)
    return np.array(compiled(shared.graph)(inputs)[0][rows])


@pytest.mark.parametrize("lengths", [MANY, SAME, [5]], ids=["many", "of one length", "one"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_padded_texts(family: str, lengths: list[int]) -> None:
    """Whatever stands beside a text in its row, and also where a text holds the id that others are padded with."""
    ids, mask = made_up(lengths, pad_id=pad_id_of(family))
    graph = tiny_graph(family)
    expected = np.array(compiled(graph)({"input_ids": ids, "attention_mask": mask})[0])

    shared = share_rows(graph)

    np.testing.assert_allclose(in_rows(shared, ids, mask), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "changes"),
    [("bert", {"attn_implementation": "eager"}), ("albert", {"embedding_size": 16})],
    ids=["attention in parts", "layers that share their weights"],
)
def test_the_same_model_in_other_forms(family: str, changes: dict[str, Any]) -> None:
    """OpenVINO puts attention together by itself; what several layers share is looked at once for each."""
    graph = graph_of(other_model(family, initializer_range=0.3, **changes))
    ids, mask = made_up(MANY, pad_id=0)
    expected = np.array(compiled(graph)({"input_ids": ids, "attention_mask": mask})[0])

    shared = share_rows(graph)

    np.testing.assert_allclose(in_rows(shared, ids, mask), expected, atol=1e-5)


def test_several_texts_stand_in_a_row() -> None:
    """So that the comparison above compares something."""
    layout = lay(MANY)

    assert layout.rows < len(MANY) / 2
    assert layout.tokens < max(MANY) * len(MANY)


def test_the_last_layer_is_computed_for_first_tokens_only() -> None:
    """Of its six linear layers two, for keys and values, see all tokens; so do all six of the layer before."""
    shared = share_rows(tiny_graph("bert"))
    ids, mask = made_up(MANY, pad_id=0)
    inputs, _ = RowInputs(shared.positions).of(ids, mask)
    tokens, slots = inputs["input_ids"].size, inputs["first_tokens"].size

    layers = [op for op in shared.graph.get_ordered_ops() if op.get_type_name() == "MatMul"]
    probe = ov.Model([ops.result(op.output(0)) for op in layers], shared.graph.get_parameters())
    sizes = [int(np.prod(np.array(each).shape[:-1])) for each in compiled(probe)(inputs).values()]

    pooler_and_classifier = 2
    assert (6 + 2, 4 + pooler_and_classifier) == (sizes.count(tokens), sizes.count(slots))


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("mpnet", {"pad_token_id": 1}, "what a MatMul does"),
        ("convbert", {"embedding_size": 32}, "what a Concat does"),
        ("fnet", {}, "what it looks up"),
        ("roformer", {}, "what a MatMul does"),
    ],
    ids=["relative positions", "convolutions", "Fourier transforms", "rotated positions"],
)
def test_what_is_not_understood_is_refused(family: str, changes: dict[str, Any], reason: str) -> None:
    """Where tokens of different texts might mix, each text keeps a row of its own."""
    with pytest.raises(NotUnderstood, match=reason):
        share_rows(graph_of(other_model(family, **changes)))


def test_hidden_states_that_are_read_elsewhere_too() -> None:
    """A head that adds the mean over all tokens to the first one would mix texts."""
    graph = tiny_graph("bert").clone()
    head = next(node for node in graph.get_ordered_ops() if reads_first_token(node))
    mean = ops.reduce_mean(head.input(0).get_source_output(), np.array([1]), keep_dims=False)
    (reader,) = head.output(0).get_target_inputs()
    reader.replace_source_output(ops.add(head, mean).output(0))

    with pytest.raises(NotUnderstood, match="read by more than its head"):
        share_rows(ov.Model(graph.get_results(), graph.get_parameters()))


@pytest.mark.parametrize("counted", ["hidden states", "ids"])
def test_a_head_that_counts_texts_by_rows(counted: str) -> None:
    """As `hidden[:, 0].view(len(hidden), -1)` does: there are more texts than rows then."""
    graph = tiny_graph("bert").clone()
    head = next(node for node in graph.get_ordered_ops() if reads_first_token(node))
    source = head.input(0).get_source_output() if counted == "hidden states" else graph.input("input_ids")
    texts = ops.gather(ops.shape_of(source), np.array([0]), np.int64(0))
    (reader,) = head.output(0).get_target_inputs()
    shape = ops.concat([texts, np.array([-1])], axis=0)
    reader.replace_source_output(ops.reshape(head, shape, special_zero=False).output(0))

    with pytest.raises(NotUnderstood, match="more than the first token's state"):
        share_rows(ov.Model(graph.get_results(), graph.get_parameters()))


def test_a_graph_that_takes_types_of_tokens() -> None:
    """As files from elsewhere do: all are of type 0."""
    model = tiny_model("bert", initializer_range=0.3)
    graph = graph_of(model, token_types=True)
    ids, mask = made_up(MANY, pad_id=0)
    fed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    expected = np.array(compiled(graph)(fed)[0])

    shared = share_rows(graph)

    np.testing.assert_allclose(in_rows(shared, ids, mask), expected, atol=1e-5)


def test_the_graph_itself_is_not_touched() -> None:
    """It is a copy that is rewritten."""
    graph = tiny_graph("bert")
    before = [node.get_name() for node in graph.get_ordered_ops()]

    share_rows(graph)

    assert before == [node.get_name() for node in graph.get_ordered_ops()]


def other_model(family: str, *, attn_implementation: str | None = None, **changes: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(11)
    sizes = {
        "vocab_size": VOCABULARY,
        "num_labels": 5,
        "max_position_embeddings": 66,
        "pad_token_id": 0,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    config = AutoConfig.for_model(family, **(sizes | changes))
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=attn_implementation).eval()
