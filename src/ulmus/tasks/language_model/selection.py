"""Which installed language model knows the language of some texts.

Each model's tokenizer says how many bits a byte the texts need, beside the model's own (`text/familiar.py`); the
nearest model is taken if it is near enough. So every language has its detector as soon as it has a model.
Costs some tens of milliseconds a model. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ulmus.bundle import read_manifest, read_tokenizer
from ulmus.errors import BundleError, DataError
from ulmus.installed import installed
from ulmus.tasks.language_model.config import SIZES
from ulmus.tasks.language_model.file import KIND
from ulmus.text.familiar import bits_per_byte, foreign_letters
from ulmus.text.tokenizer import Tokenizer

__all__ = ["familiar"]

SAME_LANGUAGE = 1.9  # times the bits of a model's own texts: up to there, texts are in its language
OTHER_SCRIPT = 0.3  # of the letters may be of scripts that the model has seen less of
AS_GOOD = 1.15  # times those of the nearest model: up to there, kind and size decide


class Candidate(NamedTuple):
    """A model and how far from its own texts the given ones are; the best one is the smallest."""

    other_kind: bool  # than words
    other_size: bool  # than small
    distance: float  # 1 is like its own texts
    name: str
    language: str
    kind: str
    size: str | None


def familiar(
    texts: list[str], *, kind: str | None, size: str | None, say: Callable[[str], None]
) -> str | None:
    """The name of the installed language model that knows the language of `texts`; None where there is none.

    `kind` of tokens and `size` leave out all others. Pieces fit a related language nearly as well as their own, words
    do not: a language whose words are not those of the texts is not theirs. What was found is told with `say`.
    """
    known = list(_candidates(texts, say))
    others = {one.language for one in known if not one.other_kind and one.distance > SAME_LANGUAGE}
    near = [
        one
        for one in known
        if one.distance <= SAME_LANGUAGE
        and one.language not in others
        and kind in (None, one.kind)
        and size in (None, one.size)
    ]
    if not near:
        return None
    best = min(one.distance for one in near)
    chosen = min(one for one in near if one.distance <= AS_GOOD * best)
    say(
        f"The texts look like those of {chosen.name} (language {chosen.language}; distance {chosen.distance:.2f}, "
        f"1 is none). Starting from it; --language-model says otherwise."
    )
    return chosen.name


def _candidates(texts: list[str], say: Callable[[str], None]) -> Iterator[Candidate]:
    """The installed models that read forwards and know the script of the texts."""
    for name, path in installed().items():
        try:
            manifest = read_manifest(path)
            own = manifest.get("card", {}).get("bits_per_byte")
            if manifest.get("kind") != KIND or manifest["config"]["backwards"] or own is None:
                continue
            its_kind, its_size = manifest["config"]["tokenizer"]["kind"], _size(manifest["config"])
            tokenizer = Tokenizer.from_json(read_tokenizer(path))
            distance = bits_per_byte(tokenizer, texts) / own
            if foreign_letters(tokenizer, texts) > OTHER_SCRIPT:
                continue
        except (BundleError, DataError, KeyError, TypeError) as error:
            say(f"The installed language model {name} cannot be used: {error}")
            continue
        language = manifest["card"].get("language") or name
        yield Candidate(its_kind != "word", its_size != "small", distance, name, language, its_kind, its_size)


def _size(config: dict[str, Any]) -> str | None:
    """The name of the size that a language model of this config has."""
    shape = [config["embedding"], config["hidden"], config["layers"]]
    return next((n for n, c in SIZES.items() if [c.embedding, c.hidden, c.layers] == shape), None)
