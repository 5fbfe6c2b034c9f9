"""Tag sequences <-> entities, and entity-level precision, recall and F1.

An entity counts as found if its type and both of its ends are right. What starts and ends an entity is decided as in
the shared tasks of CoNLL (Tjong Kim Sang & De Meulder 2003, the script conlleval), and as in the library seqeval: an
`I-` after another type or outside an entity starts one. So IOB1, IOB2 (BIO), IO, BIOES and BILOU are read alike.
Knows no words and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Entity", "as_tags", "entities", "entity_scores"]

BEGINS, ENDS = (
    frozenset("BSU"),
    frozenset("ESL"),
)  # prefixes that start an entity, or end one with their token


class Entity(NamedTuple):
    """The tokens `start` to `end` (exclusive) of a sequence, and their type."""

    start: int
    end: int
    label: str


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of one sequence of tags, `O` or a prefix, a hyphen and a type (`B-PER`), in their order."""
    found: list[Entity] = []
    start, label, before = 0, "", ""  # of the entity under way; the prefix of the tag before
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        # a single-token tag (S, U) ends its entity too
        ends = tag == "O" or kind != label or prefix in BEGINS or before in ENDS or before == "U"
        if label and ends:
            found.append(Entity(start, i, label))
            label = ""
        if kind and not label:
            start, label = i, kind
        before = prefix
    return found


def as_tags(found: Iterable[Entity], length: int) -> list[str]:
    """The BIO tags (IOB2) of a sequence of `length` tokens with these entities, which do not overlap."""
    tags = ["O"] * length
    for start, end, label in found:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags


def entity_scores(true: Sequence[Iterable[Entity]], predicted: Sequence[Iterable[Entity]]) -> dict[str, Any]:
    """Scores of the predicted entities of N sequences, each 0 to 1, over all types together (micro-averaged).

    precision, recall, f1, support (true entities), predicted (their number), and under `types` the same for each type,
    in alphabetical order. What is not defined, such as the precision without a prediction, is 0.
    """
    support, guessed, right = Counter[str](), Counter[str](), Counter[str]()
    for one, other in zip(true, predicted, strict=True):
        wanted, given = set(one), set(other)
        support.update(entity.label for entity in wanted)
        guessed.update(entity.label for entity in given)
        right.update(entity.label for entity in wanted & given)
    types = sorted({*support, *guessed})
    total = _scores(right.total(), guessed.total(), support.total())
    return total | {"types": {name: _scores(right[name], guessed[name], support[name]) for name in types}}


def _scores(right: int, predicted: int, support: int) -> dict[str, Any]:
    precision, recall = right / max(predicted, 1), right / max(support, 1)
    f1 = 2 * right / max(predicted + support, 1)
    return {"precision": precision, "recall": recall, "f1": f1, "support": support, "predicted": predicted}
