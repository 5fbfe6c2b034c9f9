"""Documents -> passages of whole sentences, short and long ones: what a sentence encoder is asked about.

The length of each passage is drawn, uniformly on a logarithmic scale; where no sentence ends in time, a passage ends
at a space. No text is lost but the white space between passages. Sizes are in bytes of UTF-8, so that a passage says
about as much in any script. Costs: 30 MB a second. Knows no tokens.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator

__all__ = ["SENTENCE_END", "Passages"]

# after a full stop with its quotes and brackets and before a space; after one of East Asia; at the end of a line
SENTENCE_END = re.compile(r"[.!?…]['\"”’»)\]]*(?=\s)|[。！？][」』”’）]*|\n|$")


class Passages:
    """The passages of documents that can be iterated over several times: the same ones each time.

    `shortest` and `longest` are in bytes; a document shorter than its first drawn length is one passage, and the last
    passage of a document is as long as it is.
    """

    def __init__(self, texts: Iterable[str], *, shortest: int, longest: int, seed: int = 0) -> None:
        self.texts, self.shortest, self.longest, self.seed = texts, shortest, longest, seed

    def __iter__(self) -> Iterator[str]:
        rng = random.Random(self.seed)
        low, high = math.log(self.shortest), math.log(self.longest)
        for text in self.texts:
            begun, enough = "", 0.0
            for sentence in self._sentences(text):
                if begun and _size(begun) + _size(sentence) > self.longest:
                    yield begun
                    begun = ""
                enough = enough if begun else math.exp(rng.uniform(low, high))
                begun = f"{begun} {sentence}" if begun else sentence
                if _size(begun) >= enough:
                    yield begun
                    begun = ""
            if begun:
                yield begun

    def _sentences(self, text: str) -> Iterator[str]:
        """The sentences of a text, stripped; longer ones than a passage in parts."""
        start = 0
        for found in SENTENCE_END.finditer(text):
            sentence = text[start : found.end()].strip()
            start = found.end()
            while _size(sentence) > self.longest:
                part = sentence.encode()[: self.longest].decode(errors="ignore")
                cut = part.rfind(" ") + 1 or max(len(part), 1)
                yield sentence[:cut].strip()
                sentence = sentence[cut:].strip()
            if sentence:
                yield sentence


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
