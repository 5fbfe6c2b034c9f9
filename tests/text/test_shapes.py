"""Features of words."""

from __future__ import annotations

import numpy as np

from ulmus.text.shapes import FEATURES, word_features


def test_words_share_the_features_that_they_share() -> None:
    """Words of the same shape and ending share these features and differ in the word itself."""
    one, other = word_features(["Merkel", "Wedkel"], 1 << 20)
    assert (one == other).nonzero()[0].size >= 4
    assert one[0] != other[0]


def test_numbers_are_those_of_every_machine() -> None:
    """Hashes do not depend on the process: a model file stays right."""
    assert word_features(["Élan"], 1000)[0].tolist()[:4] == [969, 191, 918, 648]


def test_what_a_word_lacks_is_zero() -> None:
    """A short word has no long affixes; all numbers are below the number of rows."""
    features = word_features(["a", "ab", "\ud800", "2001"], 100)
    assert features.shape == (4, FEATURES)
    assert features[0, 4:].tolist() == [0] * 8
    assert 0 <= features.min() <= features.max() < 100
    assert word_features([], 100).shape == (0, FEATURES)
    assert features.dtype == np.int32
