"""The words that a wish for a policy is made of. Nothing heavy: the command line lists them in its help."""

from __future__ import annotations

from enum import StrEnum


class Risk(StrEnum):
    """What is bounded."""

    SELECTIVE_RISK = "selective_risk"
    LABEL_RISK = "label_risk"
    WRONG_EMITTED = "wrong_emitted"
    EXACT_MATCH_ERROR = "exact_match_error"
    FALSE_NEGATIVES = "false_negatives"


class Method(StrEnum):
    """How the threshold is found."""

    LTT = "ltt"
    SGR = "sgr"
    EMPIRICAL = "empirical"
    BUDGET = "budget"
    FIXED = "fixed"


class Score(StrEnum):
    """What confidence is."""

    BEST = "best"
    MAX_PROBABILITY = "max_probability"
    MARGIN = "margin"
    ENTROPY = "entropy"
    ENERGY = "energy"
    MEAN_EMITTED = "mean_emitted"
    SET_PROBABILITY = "set_probability"


class Scaling(StrEnum):
    """How scores are made honest."""

    AUTO = "auto"
    PLATT = "platt"
    TEMPERATURE = "temperature"
    NONE = "none"


class LabelThresholds(StrEnum):
    """Where the labels of a multi-label model begin."""

    F1 = "f1"
    COMMON = "common"
