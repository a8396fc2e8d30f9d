"""Which ways of running a model are compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

WORKERS_ON_CUDA: Final = 2
CPU_BUDGETS: Final = (512, 1024, 2048)
CUDA_BUDGETS: Final = (8192, 16384, 32768)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run a model, in the words of the configuration. `workers` and `max_batch_tokens`: None is auto."""

    backend: str
    device: str
    precision: str
    workers: int | None = None
    max_batch_tokens: int | None = None

    @property
    def engine(self) -> str:
        """What runs the model, in words."""
        return f"{self.backend} {self.precision}" + ("" if self.device == "cpu" else f" on {self.device}")

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")


ENGINES: Final = (
    Setting("torch", "cpu", "float32"),
    Setting("torch", "cpu", "bfloat16"),
    Setting("openvino", "cpu", "float32"),
    Setting("openvino", "cpu", "bfloat16"),
    Setting("openvino", "cpu", "int8"),
    Setting("torch", "cuda", "float32"),
    Setting("torch", "cuda", "bfloat16"),
    Setting("torch", "cuda", "float16"),
)
"""All that can be there. The first that is, in float32, is what the others are compared with."""


def of_workers(setting: Setting, *, cpus: int) -> list[Setting]:
    """The same with other numbers of inference threads, `auto` first."""
    counts = {1, WORKERS_ON_CUDA if setting.on_cuda else cpus}
    return [setting, *(replace(setting, workers=count) for count in sorted(counts))]


def of_budgets(setting: Setting) -> list[Setting]:
    """The same with other budgets of padded tokens, `auto` first."""
    budgets: Iterable[int] = CUDA_BUDGETS if setting.on_cuda else CPU_BUDGETS
    return [setting, *(replace(setting, max_batch_tokens=budget) for budget in budgets)]
