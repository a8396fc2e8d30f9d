"""What a text takes of the machine."""

from __future__ import annotations

import pytest

from tests.benchmarks.peak import flop_per_text

BERT = {"num_hidden_layers": 6, "hidden_size": 768, "intermediate_size": 3072, "id2label": {"0": "a", "1": "b"}}
DISTILBERT = {"n_layers": 6, "dim": 768, "hidden_dim": 3072, "id2label": {"0": "a", "1": "b"}}


def test_flop_of_a_text_are_those_of_its_real_tokens() -> None:
    """42.5 million weights in six layers, twice each, for twenty tokens, and attention's own few."""
    assert 1.71e9 == pytest.approx(flop_per_text([20], BERT), rel=0.01)


def test_names_of_both_families_are_known() -> None:
    """DistilBERT calls its sizes otherwise."""
    assert flop_per_text([20, 30], BERT) == flop_per_text([20, 30], DISTILBERT)


def test_a_narrowed_last_layer_costs_its_keys_and_values() -> None:
    """A sixth of the layer, and the rest of it for a single token."""
    whole = flop_per_text([200], BERT)

    narrowed = flop_per_text([200], BERT, last_layer_narrowed=True)

    assert 5 / 6 + 1 / 36 == pytest.approx(narrowed / whole, abs=0.01)
