"""Words of a text -> segments: runs of whole sentences, as many at most as one can look at.

A sentence without an end in sight (a list, a script without full stops) is divided between two words. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from ulmus.text.passages import SENTENCE_END
from ulmus.text.words import Word

__all__ = ["segments"]

LONGEST = 60  # words of a segment, where segments need not be longer


def segments(text: str, words: Sequence[Word], *, most: int) -> list[tuple[int, int]]:
    """At most `most` segments (start, end) in characters, each from its first word to its last; none without words."""
    fewest = -(-len(words) // most)  # words of a segment but the last
    longest = max(LONGEST, 2 * fewest)
    ends = iter(found.end() for found in SENTENCE_END.finditer(text))
    end, first, found = next(ends), 0, list[tuple[int, int]]()
    for number, word in enumerate(words, 1):
        ends_here = number == len(words) or words[number].start >= end
        while number < len(words) and words[number].start >= end:
            end = next(ends)
        held = number - first
        if number == len(words) or (held >= fewest and ends_here) or held >= longest:
            found.append((words[first].start, word.end))
            first = number
    return found
