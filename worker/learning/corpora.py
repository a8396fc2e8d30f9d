"""The two raw corpora of the builtin models, read as they were published: CARER emotions and GoEmotions.

For the recipe only; labelled data of users goes through `worker.learning.datasets`.
"""

from __future__ import annotations

from pathlib import Path

from worker.errors import DataError
from worker.learning.datasets import LabelledTexts

EMOTION_LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
EKMAN_LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
EKMAN_GROUPS = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love",
        "optimism", "pride", "relief",
    ),
    "neutral": ("neutral",),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
}  # fmt: skip
"""The grouping published with GoEmotions (Demszky et al. 2020)."""

_EKMAN_OF = {fine: coarse for coarse, members in EKMAN_GROUPS.items() for fine in members}


def read_emotion(folder: Path) -> LabelledTexts:
    """`train.txt`: one `text;label` a line (Saravia et al. 2018)."""
    rows = [line.rpartition(";") for line in _lines(folder / "train.txt")]
    return LabelledTexts(
        texts=[text for text, _, _ in rows],
        labels=[(label,) for _, _, label in rows],
        label_names=EMOTION_LABELS,
        multi_label=False,
    )


def read_goemotions(folder: Path, split: str) -> LabelledTexts:
    """`train.tsv` or `dev.tsv`: text, label numbers separated by commas, comment id (Demszky et al. 2020)."""
    names = tuple(_lines(folder / "labels.txt"))
    rows = [line.split("\t") for line in _lines(folder / f"{split}.tsv")]
    return LabelledTexts(
        texts=[row[0] for row in rows],
        labels=[tuple(names[int(number)] for number in row[1].split(",")) for row in rows],
        label_names=names,
        multi_label=True,
    )


def grouped_to_ekman(goemotions: LabelledTexts, *, keep_agreeing: bool) -> LabelledTexts:
    """Texts with one GoEmotions label, under its Ekman group.

    `keep_agreeing` also keeps texts whose several labels fall into one group: more to learn from, but the published
    figures count texts with a single label.
    """
    texts, labels = [], []
    for text, fine in zip(goemotions.texts, goemotions.labels, strict=True):
        groups = {_EKMAN_OF[label] for label in fine}
        if len(fine) == 1 or (keep_agreeing and len(groups) == 1):
            texts.append(text)
            labels.append(tuple(groups))
    return LabelledTexts(texts=texts, labels=labels, label_names=EKMAN_LABELS, multi_label=False)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give the folder that holds emotion/ and goemotions/") from error
