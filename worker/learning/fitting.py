"""The training loop: AdamW, warm-up and linear decay, layer-wise learning rates, early stopping.

Owns how weights move. Knows nothing of files, tokenizers or what the labels mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.learning.encoding import EncodedTexts, epoch_batches, padded, sorted_batches
from worker.learning.objective import weighted_loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LAYER_NUMBER = re.compile(r"\.(?:layer|layers|h|block|blocks)\.(\d+)\.")
EMBEDDINGS = re.compile(r"embeddings?\.|embed_tokens\.|\bwte\.|\bwpe\.")
SCORING_TOKENS = 8192


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How to train. Learning rates are peaks; `batch_tokens` counts padded tokens; `patience` counts epochs;
    `frozen_layers`: None freezes nothing, 0 the embeddings, n the embeddings and the first n layers."""

    epochs: int = 3
    learning_rate: float = 5e-5
    head_learning_rate: float = 5e-4
    layer_decay: float = 0.9
    weight_decay: float = 0.01
    warm_up: float = 0.06
    clip_norm: float = 1.0
    batch_tokens: int = 1024
    frozen_layers: int | None = None
    label_smoothing: float = 0.0
    word_dropout: float = 0.0
    patience: int = 2
    precision: str = "auto"
    device: str = "auto"
    seed: int = 13


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the loop must know of the labels: their kind and the weight of each, float32 [labels]."""

    multi_label: bool
    weights: NDArray[np.float32]


class FitObserver(Protocol):
    """Told what happens, from the training thread."""

    def step(self, done: int, total: int, *, loss: float) -> None:
        """One optimiser step of `total` was taken."""

    def epoch(self, number: int, logits: NDArray[np.float32], *, train_loss: float) -> float:
        """An epoch ended with these logits [n, labels] on the validation texts. Returns a score, higher is better."""


class Fit:
    """One training run over one model; `run` once.

    After `run` the model holds the weights of its best epoch, in evaluation mode, on the device it trained on.
    """

    def __init__(
        self, model: nn.Module, *, task: Task, options: FitOptions, pad_id: int, unknown_id: int | None
    ) -> None:
        import torch

        torch.manual_seed(options.seed)
        self._rng = np.random.default_rng(options.seed)
        self._options = options
        self._task = task
        self._device = chosen_device(options.device)
        self._model = model.to(self._device)
        self._weights = torch.from_numpy(task.weights).to(self._device)
        self._pad_id = pad_id
        self._unknown_id = unknown_id

    def run(self, train: EncodedTexts, validation: EncodedTexts, *, observer: FitObserver) -> int:
        """Train in place; returns the best epoch's number, from 1. Stops after `patience` epochs without a gain."""
        import torch

        lengths, options = train.lengths, self._options
        plan = [epoch_batches(lengths, budget=options.batch_tokens, rng=self._rng) for _ in range(options.epochs)]
        total = sum(len(batches) for batches in plan)
        optimizer = torch.optim.AdamW(_parameter_groups(self._model, options))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up_then_linear(total, share=options.warm_up))
        best_score, best_epoch, best_state = -np.inf, 0, _copied_state(self._model)
        done = 0
        for number, batches in enumerate(plan, start=1):
            losses = []
            self._model.train()
            for batch in batches:
                losses.append(self._step(train, batch, optimizer))
                schedule.step()
                done += 1
                observer.step(done, total, loss=losses[-1])
            logits = score(self._model, validation.token_ids, pad_id=self._pad_id, precision=options.precision)
            epoch_score = observer.epoch(number, logits, train_loss=float(np.mean(losses)))
            if epoch_score > best_score:
                best_score, best_epoch, best_state = epoch_score, number, _copied_state(self._model)
            elif number - best_epoch >= options.patience:
                break
        self._model.load_state_dict(best_state)
        self._model.eval()
        return best_epoch

    def _step(self, train: EncodedTexts, batch: list[int], optimizer: torch.optim.Optimizer) -> float:
        import torch

        ids, mask = padded([self._with_unknowns(train.token_ids[index]) for index in batch], pad_id=self._pad_id)
        targets = torch.from_numpy(train.targets[batch]).to(self._device)
        with autocast(self._options.precision, self._device):
            logits = _forward(self._model, ids, mask, self._device)
        loss = weighted_loss(
            logits.float(),
            targets,
            self._weights,
            multi_label=self._task.multi_label,
            smoothing=self._options.label_smoothing,
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._options.clip_norm)
        optimizer.step()
        return float(loss.detach())

    def _with_unknowns(self, ids: list[int]) -> list[int]:
        """Word dropout: some tokens between the first and the last become the unknown token."""
        if self._options.word_dropout == 0 or self._unknown_id is None:
            return ids
        lost = self._rng.random(len(ids)) < self._options.word_dropout
        lost[0] = lost[-1] = False
        return [self._unknown_id if gone else token for token, gone in zip(ids, lost, strict=True)]


def score(model: nn.Module, token_ids: list[list[int]], *, pad_id: int, precision: str) -> NDArray[np.float32]:
    """Logits, float32 [n, labels], in the order of `token_ids`; the model is left in evaluation mode."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    lengths = np.fromiter((len(ids) for ids in token_ids), dtype=np.int64, count=len(token_ids))
    rows: dict[int, NDArray[np.float32]] = {}
    with torch.inference_mode(), autocast(precision, device):
        for batch in sorted_batches(lengths, budget=SCORING_TOKENS):
            ids, mask = padded([token_ids[index] for index in batch], pad_id=pad_id)
            logits = _forward(model, ids, mask, device).float().cpu().numpy()
            rows.update(zip(batch, logits, strict=True))
    return np.stack([rows[index] for index in range(len(token_ids))])


def chosen_device(name: str) -> torch.device:
    """`auto` takes CUDA when there is one."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where the hardware multiplies it natively (`auto`) or where asked for; float32 otherwise."""
    import torch

    native = (
        torch.cuda.is_bf16_supported()
        if device.type == "cuda"
        else bool({"avx512_bf16", "amx_bf16"} & {name for name, has in torch.cpu.get_capabilities().items() if has})
    )
    wanted = precision == "bfloat16" or (precision == "auto" and native)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def _forward(model: nn.Module, ids: NDArray[np.int64], mask: NDArray[np.int64], device: torch.device) -> Tensor:
    import torch

    result = model(input_ids=torch.from_numpy(ids).to(device), attention_mask=torch.from_numpy(mask).to(device))
    logits: Tensor = result.logits
    return logits


def _copied_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _warm_up_then_linear(total: int, *, share: float) -> Callable[[int], float]:
    warm = max(1, round(share * total))
    return lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))


def _parameter_groups(model: nn.Module, options: FitOptions) -> list[dict[str, Any]]:
    """One group for each depth and kind: learning rates shrink by `layer_decay` a layer from the top; biases and
    norms (one dimension) get no weight decay. Frozen parameters stop requiring gradients."""
    depths = {name: _depth(name) for name, _ in model.named_parameters()}
    top = max((depth for depth in depths.values() if depth is not None), default=0)
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        depth = depths[name]
        if depth is not None and options.frozen_layers is not None and depth <= options.frozen_layers:
            parameter.requires_grad = False
            continue
        rate = options.head_learning_rate
        if depth is not None:
            rate = options.learning_rate * options.layer_decay ** (top - depth)
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def _depth(name: str) -> int | None:
    """0 for embeddings, n for the nth layer, None for what stands above the layers: pooler and head."""
    layer = LAYER_NUMBER.search(name)
    if layer is not None:
        return int(layer.group(1)) + 1
    return 0 if EMBEDDINGS.search(name) else None
