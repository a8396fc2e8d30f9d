"""Whether a model on a GPU runs packed or padded: decided once, when it is loaded, and said in the log.

Packed attention is torch's own (`torch.nn.attention.varlen`, FlashAttention): 16-bit numbers on an NVIDIA GPU of
compute capability 8.0 (Ampere) or newer. Whatever does not fit that runs padded; and so does a model whose packed
logits, over a few made-up texts, are not those of the padded one.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import structlog
import torch

from worker.inference.torch_layouts import FAMILIES, Ids, Layout, Packed, Padded, Varlen, attention_of

log = structlog.get_logger(__name__)

ATTENTION: Final = "emostream_packed"
FALLBACK: Final = "sdpa"
HALF_PRECISIONS: Final = (torch.bfloat16, torch.float16)
OLDEST_CAPABILITY: Final = (8, 0)
WIDEST_HEAD: Final = 256
HEAD_STEP: Final = 8
"""Head widths that the kernel takes without padding them."""

CHECKED_LENGTHS: Final = (3, 17, 1, 8)
MOST_DIFFERENCE: Final = 0.1
"""Of logits, as a share of the largest: several times what 16-bit arithmetic in another order makes of them."""


def choose_layout(model: Any, device: torch.device) -> Layout:
    """How the model, on its device in its precision, is to be run; which, and why not packed, goes into the log."""
    if device.type != "cuda":
        return Padded(model)
    layout: Layout = Padded(model)
    varlen = _torch_varlen()
    reason = obstacle(model) or _hardware_obstacle(device, model.dtype)
    if varlen is None:
        reason = reason or f"torch {torch.__version__} has no attention for packed texts"
    elif not reason:
        layout, reason = packed_or_padded(model, device, varlen)
    log.info("model.layout", layout="padded" if layout.pads else "packed", reason=reason)
    return layout


def obstacle(model: Any) -> str | None:
    """Why this kind of model cannot run packed, if so."""
    name, config = type(model).__name__, model.config
    if name not in FAMILIES:
        return f"{name} is none of {', '.join(FAMILIES)}"
    if getattr(config, "is_decoder", False) or getattr(config, "chunk_size_feed_forward", 0):
        return "it is configured as a decoder, or to compute in chunks"
    if (getattr(config, "position_embedding_type", None) or "absolute") != "absolute":
        return "its positions are not absolute"
    width = config.hidden_size // config.num_attention_heads
    if width > WIDEST_HEAD or width % HEAD_STEP:
        return f"its attention heads are {width} wide, not a multiple of {HEAD_STEP} up to {WIDEST_HEAD}"
    return None


def packed_or_padded(model: Any, device: torch.device, varlen: Varlen) -> tuple[Layout, str | None]:
    """Packed, if that gives the logits of the padded layout; else why not. The model's attention is set accordingly."""
    from transformers import AttentionInterface

    padded, packed = Padded(model), Packed(model, FAMILIES[type(model).__name__])
    ids, mask = _made_up_texts(vocabulary=model.config.vocab_size, pad_id=int(model.config.pad_token_id or 0))
    expected = _logits(padded, ids, mask, device)
    AttentionInterface.register(ATTENTION, attention_of(varlen))
    model.set_attn_implementation(ATTENTION)
    try:
        actual = _logits(packed, ids, mask, device)
        problem = _difference(expected, actual)
    except Exception as error:  # noqa: BLE001 - whatever a kernel or another transformers raises, padded still works
        problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    if problem is None:
        return packed, None
    model.set_attn_implementation(FALLBACK)
    return padded, f"packed was tried: {problem}"


def _hardware_obstacle(device: torch.device, dtype: torch.dtype) -> str | None:
    if dtype not in HALF_PRECISIONS:
        return f"{str(dtype).removeprefix('torch.')}: packed attention computes in bfloat16 or float16"
    capability = torch.cuda.get_device_capability(device)
    if torch.version.hip is not None or capability < OLDEST_CAPABILITY:
        return f"the GPU's compute capability is {capability[0]}.{capability[1]}, packed attention needs 8.0"
    return None


def _torch_varlen() -> Varlen | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return cast("Varlen", varlen_attn)


def _made_up_texts(*, vocabulary: int, pad_id: int) -> tuple[Ids, Ids]:
    """Ids and mask of a few texts of different lengths, the same every time."""
    lengths = np.array(CHECKED_LENGTHS)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(0, vocabulary, mask.shape)
    ids[ids == pad_id] = (pad_id + 1) % vocabulary
    return np.where(mask == 1, ids, pad_id), mask


def _logits(layout: Layout, ids: Ids, mask: Ids, device: torch.device) -> torch.Tensor:
    laid = layout.lay(ids, mask)
    with torch.inference_mode():
        return laid.compute(torch.from_numpy(np.concatenate(laid.parts)).to(device)).float().cpu()


def _difference(expected: torch.Tensor, actual: torch.Tensor) -> str | None:
    largest = float((expected - actual).abs().max())
    if largest <= MOST_DIFFERENCE * max(1.0, float(expected.abs().max())):  # not so for NaN, either
        return None
    return f"its logits are up to {largest:.3g} from those of the padded one"
