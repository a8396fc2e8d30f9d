"""What is measured and how much of it: models, rounds, counts. Shared by all parts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT
from tests.benchmarks.texts import distinct

MODELS = ROOT / "build" / "bench-models"
SEED = 7


@dataclass(frozen=True)
class Subject:
    """A model: what emostream is given, the same in Hugging Face form, and what to say of it in the docs.

    `size` scales the number of messages: about how many texts a second the anchor does.
    """

    name: str
    model: str
    checkpoint: Path
    about: str
    size: int

    @property
    def int8(self) -> Path | None:
        """The same quantized by `emostream export`, if it was put there."""
        folder = MODELS / f"{self.name}-int8"
        return folder if (folder / "config.json").exists() else None


@dataclass(frozen=True)
class Plan:
    """`share` of the usual number of messages, for a trial; `rounds` of each contender."""

    rounds: int = 3
    share: float = 1.0
    subjects: tuple[str, ...] = ("tiny", "emotion", "distilbert")
    missing: dict[str, str] = field(default_factory=dict)
    """Environments that could not be made, and why."""

    def count(self, usual: int, *, least: int = 64) -> int:
        return max(least, int(usual * self.share))

    def taken_from(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if name in self.subjects]


def subject(name: str) -> Subject:
    """Make it ready: where there is no Hugging Face form, one with seeded random weights is made (the arithmetic, and
    so the speed, does not depend on the weights)."""
    if name == "tiny":
        folder = ROOT / "worker" / "models" / "emotion-tiny"
        return Subject(name, "builtin:emotion-tiny", folder, "builtin:emotion-tiny, 2 layers of 128", 1200)
    if name == "emotion":
        trained = ROOT / "build" / "models" / "emotion"
        if (trained / "model.safetensors").exists():
            return Subject(name, "builtin:emotion", trained, "builtin:emotion, 6 layers of 384", 200)
        about = "builtin:emotion, 6 layers of 384; in Hugging Face form the same size with seeded random weights"
        return Subject(name, "builtin:emotion", _seeded_emotion(), about, 200)
    if name == "distilbert":
        folder = _seeded_distilbert()
        return Subject(name, str(folder), folder, "DistilBERT size, 6 layers of 768, 66 M, seeded random weights", 40)
    raise SystemExit(f"{name}: no such model; there are tiny, emotion and distilbert")


def make_int8(chosen: Subject) -> str | None:
    """Quantize it once, as a user would, by its own texts; why not, or None. What was refused is not tried again."""
    refusal = MODELS / f"{chosen.name}-int8.refused"
    if chosen.int8 is not None:
        return None
    if refusal.exists():
        return refusal.read_text()
    MODELS.mkdir(parents=True, exist_ok=True)
    texts = MODELS / "texts.txt"
    texts.write_text("\n".join(" ".join(text.split()) for text in distinct(1200)) + "\n")
    options = ("--precision", "int8", "--calibration", str(texts), "--out", str(MODELS / f"{chosen.name}-int8"))
    command = [sys.executable, "-m", "worker", "export", "--model", chosen.model, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    refusal.write_text((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return refusal.read_text()


def config_of(chosen: Subject) -> dict[str, Any]:
    return dict(json.loads((chosen.checkpoint / "config.json").read_text()))


def _seeded_emotion() -> Path:
    source = ROOT / "worker" / "models" / "emotion"

    def model() -> Any:
        from transformers import AutoConfig, AutoModelForSequenceClassification

        return AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(source))

    return _saved("emotion", source, model)


def _seeded_distilbert() -> Path:
    source = ROOT / "worker" / "models" / "emotion"

    def model() -> Any:
        from transformers import AutoConfig, DistilBertConfig, DistilBertForSequenceClassification

        known = AutoConfig.from_pretrained(source)
        return DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=30_522,  # that of the original, so that the weights are as many
                pad_token_id=known.pad_token_id,
                id2label=known.id2label,
                label2id=known.label2id,
                problem_type="single_label_classification",
            )
        )

    return _saved("distilbert", source, model, model_input_names=["input_ids", "attention_mask"])


def _saved(name: str, tokenizer: Path, model: Any, **tokenizer_changes: Any) -> Path:
    """Made once; whole or not at all."""
    folder = MODELS / name
    if (folder / "done").exists():
        return folder
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    model().eval().save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tokenizer / "tokenizer.json").read_bytes())
    config = json.loads((tokenizer / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | tokenizer_changes))
    (folder / "done").touch()
    return folder
