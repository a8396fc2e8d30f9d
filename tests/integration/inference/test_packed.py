"""Packed micro-batches give what padded ones give; padding is the way out wherever packing is not to be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AttentionInterface

from tests.integration.inference.tiny_families import FAMILIES, looped_attention, made_up, pad_id_of, tiny_model
from worker.inference.packing_choice import ATTENTION, FALLBACK, choose_layout, obstacle, packed_or_padded
from worker.inference.torch_backend import TorchBackend
from worker.inference.torch_lanes import HostLane
from worker.inference.torch_layouts import FAMILIES as BUILT_ALIKE
from worker.inference.torch_layouts import Layout, Packed, Padded, Varlen, attention_of

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
LENGTHS = [5, 64, 1, 17, 17, 2]


def logits(layout: Layout, lengths: list[int], pad_id: int) -> NDArray[np.float32]:
    backend = TorchBackend(layout, [HostLane(threads=1)], device=CPU)
    return backend.run(*made_up(lengths, pad_id=pad_id))


def packed_model(family: str, varlen: Varlen) -> Packed:
    """Without weights, and without having been tried."""
    model = tiny_model(family).to(device="meta", dtype=torch.bfloat16)
    AttentionInterface.register(ATTENTION, attention_of(varlen))
    model.set_attn_implementation(ATTENTION)
    return Packed(model, BUILT_ALIKE[type(model).__name__])


def broken(*arguments: Any) -> torch.Tensor:
    raise RuntimeError("no kernel for this\nand more")


def blended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any) -> torch.Tensor:
    """As if all texts were one."""
    heads = (each.transpose(0, 1) for each in (query, key, value))
    return torch.nn.functional.scaled_dot_product_attention(*heads).transpose(0, 1)


def not_a_number(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.full_like(query, torch.nan)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_is_as_padded(family: str) -> None:
    """Logits within 1e-5, whatever the lengths: one token, the longest the model takes, a padding id in a text."""
    expected = logits(Padded(tiny_model(family)), LENGTHS, pad_id_of(family))

    layout, _ = packed_or_padded(tiny_model(family), CPU, looped_attention)

    assert not layout.pads
    assert np.abs(expected - logits(layout, LENGTHS, pad_id_of(family))).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_only_real_tokens_are_sent_and_computed(family: str) -> None:
    """Ids and positions of each token, and an edge more than there are texts."""
    layout, _ = packed_or_padded(tiny_model(family), CPU, looped_attention)

    laid = layout.lay(*made_up(LENGTHS, pad_id=pad_id_of(family)))

    assert [sum(LENGTHS), sum(LENGTHS), len(LENGTHS) + 1] == [part.size for part in laid.parts]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_takes_what_it_is_given(family: str) -> None:
    """torch's own attention over packed texts, by shapes alone: its numbers need a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    model = packed_model(family, varlen_attn)
    laid = model.lay(*made_up(LENGTHS, pad_id=pad_id_of(family)))
    sent = sum(part.size for part in laid.parts)

    with torch.inference_mode():
        found = laid.compute(torch.empty(sent, dtype=torch.int64, device="meta"))

    assert (len(LENGTHS), 5) == tuple(found.shape)


@pytest.mark.parametrize(
    ("varlen", "said"),
    [
        (broken, "packed was tried: RuntimeError: no kernel for this"),
        (blended, "its logits are up to"),
        (not_a_number, "its logits are up to nan"),
    ],
)
def test_attention_that_does_not_work_here_is_not_used(varlen: Varlen, said: str) -> None:
    """It is tried when the model is loaded; the padded model is as it was, and the reason is told."""
    expected = logits(Padded(tiny_model("bert")), LENGTHS, 0)
    model = tiny_model("bert")

    layout, reason = packed_or_padded(model, CPU, varlen)

    assert (True, FALLBACK) == (layout.pads, model.config._attn_implementation)
    assert said in str(reason)
    assert np.array_equal(expected, logits(layout, LENGTHS, 0))


def test_on_a_cpu_nothing_is_packed() -> None:
    """torch's attention for packed texts is a GPU's."""
    assert choose_layout(tiny_model("bert"), CPU).pads


@pytest.mark.parametrize(
    ("family", "dtype"),
    [("bert", torch.float32), ("electra", torch.bfloat16), ("bert", torch.bfloat16)],
    ids=["32 bits", "another family", "an old GPU"],
)
def test_on_a_gpu_that_cannot_it_is_padded(family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out without running anything there."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    model = tiny_model(family).to(dtype)

    assert choose_layout(model, torch.device("cuda", 0)).pads
    assert FALLBACK == model.config._attn_implementation


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        *((family, {"hidden_size": 32}, None) for family in FAMILIES),
        ("electra", {}, "ElectraForSequenceClassification is none of Bert"),
        ("bert", {"is_decoder": True}, "a decoder"),
        ("bert", {"chunk_size_feed_forward": 8}, "in chunks"),
        ("bert", {"hidden_size": 48}, "12 wide"),
    ],
)
def test_what_cannot_be_packed_says_why(family: str, changes: dict[str, Any], expected: str | None) -> None:
    """Other families, decoders, chunks, odd heads; the known families can be."""
    found = obstacle(tiny_model(family, **{"hidden_size": 32, **changes}))

    assert found is None if expected is None else expected in str(found)
