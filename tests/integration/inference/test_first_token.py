"""Graphs of real architectures, with and without what their last layer computes for nobody."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from worker.inference.first_token import keep_first_token

pytestmark = pytest.mark.torch

SMALL = {"vocab_size": 90, "max_position_embeddings": 70, "num_labels": 5, "pad_token_id": 0}
BERT_LIKE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": BERT_LIKE,
    "roberta": BERT_LIKE,
    "electra": {**BERT_LIKE, "embedding_size": 32},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
}


def graph_of(kind: str, *, attention: str) -> Any:
    """The architecture with random weights, as OpenVINO reads it from torch."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    class Logits(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    torch.manual_seed(5)
    config = AutoConfig.for_model(kind, **SMALL, **CONFIGS[kind], initializer_range=0.3)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).eval()
    ids = torch.randint(4, 80, (2, 7))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return ov.convert_model(Logits(model), example_input={"input_ids": ids, "attention_mask": torch.ones_like(ids)})


def logits(model: Any) -> NDArray[np.float32]:
    """Of texts of 1 to 9 tokens, padded."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    mask = (np.arange(9) < np.array([[9], [4], [1]])).astype(np.int64)
    ids = np.random.default_rng(3).integers(4, 80, mask.shape) * mask
    return np.array(compiled([ids, mask])[0])


def matrix_products_on_all_tokens(model: Any) -> int:
    """Of the linear layers: those whose output still has a position for each token."""
    products = [op for op in model.get_ordered_ops() if op.get_type_name() == "MatMul"]
    shapes = [op.get_output_partial_shape(0) for op in products]
    return sum(shape.rank.get_length() == 3 and shape[1].is_dynamic for shape in shapes)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_the_last_layer_keeps_keys_and_values_only(kind: str, attention: str) -> None:
    """Four of its six linear layers leave the other tokens out, and the logits stay what they were."""
    whole = graph_of(kind, attention=attention)
    narrowed = whole.clone()

    changed = keep_first_token(narrowed)

    assert changed
    assert matrix_products_on_all_tokens(whole) - 4 == matrix_products_on_all_tokens(narrowed)
    np.testing.assert_allclose(logits(narrowed), logits(whole), atol=1e-5)


def test_a_head_that_reads_another_token_is_left_alone() -> None:
    """Only the first token is looked for."""
    hidden = ops.parameter([-1, -1, 4], np.float32)
    model = ov.Model([ops.gather(ops.tanh(hidden), np.int64(-1), np.int64(1))], [hidden])

    assert keep_first_token(model) == 0


def test_what_is_read_elsewhere_too_is_computed_in_full() -> None:
    """A head that takes the mean over tokens beside the first one."""
    hidden = ops.parameter([-1, -1, 4], np.float32)
    doubled = ops.multiply(hidden, np.float32(2))
    first = ops.gather(doubled, np.int64(0), np.int64(1))
    mean = ops.reduce_mean(doubled, np.array([1]), keep_dims=False)
    model = ov.Model([ops.add(first, mean)], [hidden])

    assert keep_first_token(model) == 0


def test_an_operator_that_mixes_tokens_is_computed_in_full() -> None:
    """The first token of a running sum backwards needs all of them; what comes after it does not."""
    hidden = ops.parameter([-1, -1, 4], np.float32)
    summed = ops.cumsum(hidden, np.int64(1), reverse=True)
    first = ops.gather(ops.tanh(summed), np.int64(0), np.int64(1))
    model = ov.Model([first], [hidden])
    values = np.random.default_rng(1).normal(size=(2, 6, 4)).astype(np.float32)

    changed = keep_first_token(model)

    assert changed == 1
    got = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([values])[0]
    np.testing.assert_allclose(got, np.tanh(values.sum(axis=1)), atol=1e-5)
