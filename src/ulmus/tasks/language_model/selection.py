"""Which installed language model matches the language of some texts.

Each model's tokenizer gives the bits per byte of the texts, compared with the model's own texts (`text/familiar.py`);
the nearest model is chosen if it is near enough. A language can be detected as soon as there is a model of it.
Costs some tens of milliseconds per model. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ulmus.bundle import read_manifest, read_tokenizer
from ulmus.errors import BundleError, DataError
from ulmus.installed import installed
from ulmus.tasks.language_model.config import SIZES
from ulmus.tasks.language_model.file import KIND
from ulmus.text.familiar import bits_per_byte, foreign_letters
from ulmus.text.tokenizer import Tokenizer

__all__ = ["counterpart", "matching_model"]

SAME_LANGUAGE = 1.9  # largest distance at which texts count as being in the model's language
OTHER_SCRIPT = 0.3  # largest fraction of letters of scripts that are rarer in the model's texts
AS_GOOD = 1.15  # times the smallest distance: among models up to there, tokenizer type and size decide


class Candidate(NamedTuple):
    """A model and the distance of the given texts from its own; candidates sort from best to worst."""

    other_kind: bool  # tokens other than words
    other_size: bool  # size other than small
    distance: float  # bits per byte of the texts, relative to the model's own texts; 1: the same
    name: str
    language: str
    kind: str
    size: str | None


def matching_model(
    texts: list[str], *, kind: str | None, size: str | None, say: Callable[[str], None]
) -> str | None:
    """The name of the installed language model that matches the language of `texts`; None if there is none.

    `kind` (tokenizer type) and `size` exclude all others. Subwords fit a related language nearly as well as their own,
    words do not: a language whose word model does not fit the texts is excluded. The choice is reported with `say`.
    """
    candidates = list(_candidates(texts, say))
    excluded = {one.language for one in candidates if not one.other_kind and one.distance > SAME_LANGUAGE}
    near = [
        one
        for one in candidates
        if one.distance <= SAME_LANGUAGE
        and one.language not in excluded
        and kind in (None, one.kind)
        and size in (None, one.size)
    ]
    if not near:
        return None
    best = min(one.distance for one in near)
    chosen = min(one for one in near if one.distance <= AS_GOOD * best)
    say(
        f"Starting from the language model {chosen.name} (language {chosen.language}), which matches the texts: "
        f"{chosen.distance:.2f} times the bits per byte of its own. Use --language-model to choose another."
    )
    return chosen.name


def counterpart(name: str, difference: str) -> str | None:
    """The installed model of the same language that differs from the installed model `name`; None if there is none.

    difference: "directions", if it is to process texts the other way round, with tokens of the same kind; or
    "tokenizers": in the same direction, with another kind of tokens. The same size is preferred.
    """
    known: dict[str, tuple[Any, ...]] = {}
    for each, path in installed().items():
        with suppress(BundleError, KeyError, TypeError):  # a damaged file is not used
            manifest = read_manifest(path)
            config = manifest["config"]
            if manifest["kind"] == KIND:
                traits = (manifest["card"]["language"], config["backwards"], config["tokenizer"]["kind"])
                known[each] = (*traits, _size(config))
    if name not in known:
        return None
    language, backwards, kind, size = known[name]
    wanted = (True, False) if difference == "directions" else (False, True)
    found = [
        (its_size != size, each)
        for each, (its_language, other_way, other_kind, its_size) in known.items()
        if its_language == language and (other_way != backwards, other_kind != kind) == wanted
    ]
    return min(found)[1] if found else None


def _candidates(texts: list[str], say: Callable[[str], None]) -> Iterator[Candidate]:
    """The installed forward models that know the script of the texts."""
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
    """The name of the size with the shape of this config; None if there is none."""
    shape = [config["embedding"], config["hidden"], config["layers"]]
    return next((n for n, c in SIZES.items() if [c.embedding, c.hidden, c.layers] == shape), None)
