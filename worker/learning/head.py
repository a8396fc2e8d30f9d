"""The output layer of a classifier: where calibration is folded in, exactly, so that nothing downstream must know.

`logits' = (logits - shift) / temperature` is again a linear layer: weight / T, (bias - shift) / T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worker.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


def output_layer(model: nn.Module, *, labels: int) -> nn.Linear:
    """The last linear layer with one output for each label."""
    from torch import nn

    layers = [module for module in model.modules() if isinstance(module, nn.Linear) and module.out_features == labels]
    if not layers:
        raise ModelError(f"the model has no linear output layer for {labels} labels: choose another base")
    return layers[-1]


def set_bias(model: nn.Module, bias: NDArray[np.float32]) -> None:
    """Start the head at these logits, if it has a bias at all."""
    import torch

    layer = output_layer(model, labels=len(bias))
    if layer.bias is not None:
        with torch.no_grad():
            layer.bias.copy_(torch.from_numpy(bias))


def fold(model: nn.Module, *, shift: NDArray[np.float32], temperature: float) -> None:
    """Change the model so that it answers `(logits - shift) / temperature`."""
    import torch

    layer = output_layer(model, labels=len(shift))
    bias: torch.Tensor | None = layer.bias
    if bias is None and np.abs(shift).max() > 0:
        raise ModelError("class weights need an output layer with a bias, this base has none: leave them out")
    with torch.no_grad():
        if bias is not None:
            bias.sub_(torch.from_numpy(shift).to(bias)).div_(temperature)
        layer.weight.div_(temperature)
