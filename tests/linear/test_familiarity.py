"""Words that word counts know, and how rare they are."""

from __future__ import annotations

import numpy as np

from ulmus.linear.familiarity import familiarity
from ulmus.linear.features import CountConfig, CountFeatures

TEXTS = ["the old sea", "the new sea", "the old town", "the only harbour"]


def test_unknown_words_are_those_of_no_counted_text() -> None:
    """A text without words has none; known words are the rarer the fewer texts have them."""
    found = familiarity(CountFeatures().fit(TEXTS), ["the sea", "the lighthouse", "", "harbour"])
    assert found.words.tolist() == [2, 2, 0, 1]
    assert found.unknown.tolist() == [0, 0.5, 0, 0]
    assert found.rarity[3] > found.rarity[0] > 0


def test_a_counted_text_is_judged_by_the_others() -> None:
    """As if the words were counted without it: its own words are unknown if no other text has them."""
    features = CountFeatures(CountConfig(min_df=1)).fit(TEXTS)
    found = familiarity(features, TEXTS, counted=len(TEXTS))
    np.testing.assert_allclose(found.unknown, [0, 1 / 3, 1 / 3, 2 / 3])
    without = CountFeatures(CountConfig(min_df=1)).fit(TEXTS[:3])
    np.testing.assert_allclose(familiarity(without, TEXTS[3:]).unknown, [2 / 3])


def test_writing_without_spaces_counts_characters() -> None:
    """White space is none."""
    texts = ["今天天气很好", "今天我们去公园", "公园里的花很好看"] * 5
    found = familiarity(CountFeatures().fit(texts), ["今天 好", "猫"])
    assert found.words.tolist() == [3, 1]
    assert found.unknown.tolist() == [0, 1]
