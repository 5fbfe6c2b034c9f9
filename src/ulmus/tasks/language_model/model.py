"""Raw texts -> a language model: pretrain (`fit`), go on with other texts (`fine_tune`), measure, write, save.

    lm = LanguageModel(size="small", minutes=30).fit(texts)
    lm.perplexity(held_back); lm.generate("The film", words=20); lm.save("lm.ulmus")

Each step is one call of the four pillars: text -> ids -> batches -> network -> loop. With a `work_dir` a run that was
stopped goes on where it was. Knows no labels.
Source: Merity et al. 2017 (model, training); Howard & Ruder 2018, sections 3.1 and 3.2 (pretraining, fine-tuning).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmus import bundle, config
from ulmus.config import check_seed
from ulmus.corpus.columns import readable
from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.errors import BundleError, DataError, UsageError
from ulmus.evaluation.metrics import bits_per_char, perplexity
from ulmus.evaluation.splits import hold_back
from ulmus.installed import find
from ulmus.models.weights import numpy_tensors, remapped, stored, torch_tensors
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.ids import check_vocabulary, chosen, cut, trained_tokenizer
from ulmus.tasks.language_model import generation
from ulmus.tasks.language_model.card import card
from ulmus.tasks.language_model.config import LMConfig, check_loss, check_minutes, lm_config
from ulmus.tasks.language_model.network import LMNetwork, build
from ulmus.tasks.progress import Reading, watchers
from ulmus.text.familiar import spelling_bits
from ulmus.text.tokenizer import Tokenizer
from ulmus.text.vocab import BOS, Remap, remap
from ulmus.train.callbacks import Callback
from ulmus.train.device import resolve_device, resolve_precision
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.lr_find import LRFind, lr_find
from ulmus.train.schedules import Schedule

__all__ = ["LanguageModel"]

KIND = "language-model"


class LanguageModel:
    """A language model of the user's texts. `fit` or `load` first; learned state ends in `_`.

    config: all settings; without it `size` ("small" or "base"), `tokenizer` (word, unigram, bpe, char) and `backwards`
    choose them. minutes: time budget of one `fit` or `fine_tune`, kept. work_dir: folder for ids and checkpoints.
    After fitting: tokenizer_, network_, metrics_ (perplexity and more on held-back texts), history_ (rows), remap_,
    card_ (what it was made from and how; `about` is what you want it to say: name, language, corpus, licence).
    """

    tokenizer_: Tokenizer
    network_: LMNetwork

    def __init__(
        self,
        config: LMConfig | None = None,
        *,
        tokenizer: str = "word",
        size: str = "small",
        cell: str | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        backwards: bool = False,
        minutes: float | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        check_seed(seed)
        self.config = config or lm_config(size, kind=tokenizer, backwards=backwards, cell=cell)
        self.seed, self.device, self.precision = seed, device, precision
        self.minutes, self.work_dir, self.verbose = minutes, work_dir, verbose
        self.callbacks: list[Callback] = []
        self.about: dict[str, Any] = {}
        self.metrics_: dict[str, Any] = {}
        self.card_: dict[str, Any] = {}
        self.history_: list[dict[str, Any]] = []
        self.remap_: Remap | None = None

    # -- training ------------------------------------------------------------------------------------------------

    def fit(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Train from nothing on `texts` (anything that can be iterated several times, each a document).

        Perplexity is measured on `valid`, or on up to 500 documents held back. Raises DataError: no texts.
        """
        texts = self._reading(texts)
        tokenizer, network = self._begun(texts)
        return self._train(network, tokenizer, texts, valid, tuning=False)

    def fine_tune(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Go on with other texts: a word vocabulary is that of the texts, filled up with the words known before.

        Known words keep their rows. First the rows of the vocabulary alone, then all layers at discriminative rates
        (Howard & Ruder 2018, 3.2), lower ones for few texts.
        The model changes when all is done: interrupted, it is what it was.
        """
        self.check_fitted()
        texts, tokenizer, mapping = self._reading(texts), self.tokenizer_, self.remap_
        if self.config.tokenizer.kind == "word":
            tokenizer = trained_tokenizer(texts, self.config.tokenizer, self._folder())
            tokenizer = tokenizer.filled(self.tokenizer_.vocab.tokens)
            mapping = remap(self.tokenizer_.vocab, tokenizer.vocab)
            network = remapped(
                self.network_, mapping.index, build(self.config, len(tokenizer), seed=self.seed)
            )
        else:
            network = copy.deepcopy(self.network_)
        self._train(network, tokenizer, texts, valid, tuning=True)
        self.remap_ = mapping
        return self

    def _train(
        self,
        network: LMNetwork,
        tokenizer: Tokenizer,
        texts: Iterable[str],
        valid: Iterable[str] | None,
        *,
        tuning: bool,
    ) -> LanguageModel:
        """Train `network` on `texts` and make it, with its tokenizer, the network of this model."""
        check_minutes(self.minutes)
        folder = self._folder()
        valid = None if valid is None else readable(valid, "valid")
        store = cut(texts, tokenizer, folder, "lm-ids")
        if valid is None:
            train, held = hold_back(store.lengths, self.seed)
            judged = self._judging(store, held) if len(held) else None
        else:
            train, held = np.arange(len(store)), np.arange(0)
            judged = self._judging(cut(valid, tokenizer, folder, "lm-valid-ids"))
        batches = self._batches(store, train)
        trainer = Trainer(
            network,
            self.stages(batches.tokens, tuning=tuning),
            train=batches,
            valid=judged,
            config=self._loop(judged=judged is not None),
            callbacks=[*self.callbacks, *watchers(folder, verbose=self.verbose, unit="tokens")],
            checkpoint=checkpoint(
                folder,
                "lm-tuning" if tuning else "lm",
                network,
                batches=[batches, judged],
                settings=[config.to_dict(self.config), self.seed, self.precision, self.minutes is None],
            ),
        )
        done = trainer.run()
        history = done.rows
        check_loss(history[-1]["train_loss"] if done.best is None else done.best)
        self.tokenizer_, self.network_, self.history_ = tokenizer, network.eval(), history
        made_from = {"tuned_from": self.card_} if tuning and self.card_ else {}
        device = resolve_device(self.device)
        self.card_ = card(self.about, texts, tokenizer, history, device=device) | made_from
        self.metrics_ = {"tokens": store.tokens, "documents": len(store), "vocabulary": len(tokenizer)}
        if judged is not None:
            self.metrics_ |= self._measure(judged, chosen(texts, held) if valid is None else valid)
        return self

    def _loop(self, *, judged: bool = False) -> LoopConfig:
        return LoopConfig(
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            clip=self.config.clip,
            optimizer=self.config.optimizer,
            ema=self.config.ema,
            nt_asgd=self.config.nt_asgd if judged else None,
            keep_best=judged,
        )

    def stages(self, tokens: int, *, tuning: bool = False) -> list[Stage]:
        """The recipe for a corpus of `tokens`: one stage from nothing, two when fine-tuning."""
        c = self.config
        epochs = c.epochs_for(None if self.minutes else tokens, tuning=tuning)
        if not tuning:
            return [
                Stage("language model", epochs, c.schedule, weight_decay=c.weight_decay, minutes=self.minutes)
            ]
        split = [None if self.minutes is None else share * self.minutes for share in (0.1, 0.9)]
        first, then = (Schedule("one_cycle", peak=share * c.tune_rate(tokens), turn=0.1) for share in (2, 1))
        return [
            Stage("new words", 1, first, unfreeze=1, weight_decay=c.weight_decay, minutes=split[0]),
            Stage("all layers", epochs, then, None, c.tune_factor, c.weight_decay, split[1]),
        ]

    def lr_find(self, texts: Iterable[str], *, steps: int = 100) -> LRFind:
        """Range test of the learning rate on `texts`: its curve (`.plot(path)`) and a suggested peak.

        A model that knows nothing yet begins one for these texts, as `fit` would; the weights stay as they are.
        Source: Smith 2017, section 3.3.
        """
        texts = readable(texts)
        if not hasattr(self, "network_"):
            self.tokenizer_, self.network_ = self._begun(texts)
        store = cut(texts, self.tokenizer_, self._folder(), "lm-ids")
        batches = self._batches(store, np.arange(len(store)))
        return lr_find(self.network_, batches, steps=steps, config=self._loop())

    def _reading(self, texts: Iterable[str]) -> Iterable[str]:
        return Reading(readable(texts)) if self.verbose else readable(texts)

    def _begun(self, texts: Iterable[str]) -> tuple[Tokenizer, LMNetwork]:
        """A tokenizer for `texts` and a network that knows nothing."""
        tokenizer = trained_tokenizer(texts, self.config.tokenizer, self._folder())
        return tokenizer, build(self.config, len(tokenizer), seed=self.seed)

    # -- use -----------------------------------------------------------------------------------------------------

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean loss a token on `texts`, all tokens of the rules included."""
        return float(self.evaluate(texts)["perplexity"])

    def evaluate(self, texts: Iterable[str]) -> dict[str, float]:
        """perplexity a token and bits a character (which compares across tokenizers), on `texts`."""
        self.check_fitted()
        texts = readable(texts)
        judged = self._judging(cut(texts, self.tokenizer_))
        return self._measure(judged, texts)

    def generate(
        self,
        prompt: str = "",
        *,
        words: int = 40,
        temperature: float = 0.75,
        top_k: int = 0,
        top_p: float = 1.0,
        no_unk: bool = True,
        samples: int = 1,
        seed: int | None = None,
    ) -> list[str]:
        """`samples` texts that begin with `prompt` and go on for `words` tokens. Temperature 0 takes the likeliest.

        Raises UsageError for a model that reads backwards, or for settings that cannot be.
        """
        self.check_fitted()
        if self.config.backwards:
            raise UsageError(
                "this language model reads backwards: it cannot go on with a text. Use a forward one."
            )
        if words < 1 or samples < 1 or temperature < 0:
            raise UsageError(
                f"expected words and samples >= 1 and temperature >= 0, got {words}, {samples} and {temperature}."
            )
        ids = self.tokenizer_.encode(prompt).tolist() or [BOS]
        device = resolve_device(self.device)
        rows = generation.sample(
            self.network_.to(device),
            ids,
            tokens=words,
            samples=samples,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            no_unk=no_unk,
            seed=seed,
            precision=resolve_precision(self.precision, device),
        )
        began = self.tokenizer_.decode(ids)
        return [_continued(prompt, began, self.tokenizer_.decode([*ids, *row])) for row in rows]

    def save(self, path: str | Path, *, weights: str = "float32") -> None:
        """Write the model to one `.ulmus` file; with bf16 `weights` it has half the size. Raises StorageError."""
        self.check_fitted()
        bundle.write(path, tokenizer_json=self.tokenizer_.to_json(), **self.parts(weights))

    def parts(self, weights: str = "float32") -> dict[str, Any]:
        """manifest and tensors of the model file."""
        manifest = {
            "kind": KIND,
            "config": config.to_dict(self.config),
            "vocabulary": {"size": len(self.tokenizer_), "fingerprint": self.tokenizer_.vocab.fingerprint},
            "card": self.card_,
            "metrics": self.metrics_,
            "history": self.history_,
        }
        return {"manifest": manifest, "tensors": stored(numpy_tensors(self.network_), weights)}

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> LanguageModel:
        """The model in a `.ulmus` file, or the installed one of a name; `settings` as for a new one (device, ...).

        Raises BundleError.
        """
        path = find(path)
        opened = bundle.read(path)
        check_kind(opened.manifest, path)
        try:
            model = cls(config.from_dict(opened.manifest["config"], LMConfig), **settings)
            model.tokenizer_ = Tokenizer.from_json(opened.tokenizer_json)
            check_vocabulary(model.tokenizer_, opened.manifest["vocabulary"])
            with torch.device("meta"):
                model.network_ = build(model.config, len(model.tokenizer_))
            torch_tensors(model.network_, opened.tensors)
            model.card_ = dict(opened.manifest.get("card", {}))
            model.metrics_ = dict(opened.manifest["metrics"])
            model.history_ = list(opened.manifest["history"])
        except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
            raise BundleError(
                f"{path}: its parts do not belong together ({error}). Train it anew."
            ) from error
        model.network_.eval()
        return model

    # -- pieces --------------------------------------------------------------------------------------------------

    def _batches(self, store: IdStore, documents: np.ndarray) -> LMBatches:
        tokens = int(store.lengths[documents].sum())
        streams = max(1, min(self.config.batch_size, tokens // (4 * self.config.bptt)))
        return LMBatches(
            store,
            batch_size=streams,
            bptt=self.config.bptt,
            seed=self.seed,
            backwards=self.config.backwards,
            documents=documents,
        )

    def _judging(self, store: IdStore, documents: np.ndarray | None = None) -> LMBatches:
        """Held-back documents in their order, in streams long enough to have a past."""
        tokens = int(store.lengths.sum() if documents is None else store.lengths[documents].sum())
        if tokens < 2:
            raise DataError("expected texts to measure the perplexity on, got not even two tokens.")
        return LMBatches(
            store,
            batch_size=max(1, min(32, tokens // 1000)),
            bptt=self.config.bptt,
            random_bptt=False,
            shuffle=False,
            backwards=self.config.backwards,
            documents=documents,
        )

    def _measure(self, judged: LMBatches, texts: Iterable[str]) -> dict[str, float]:
        """What `judged`, the batches of `texts`, cost; the letters of unknown words are in the bits."""
        found = evaluate(self.network_, judged, device=self.device, precision="float32")
        characters = max(sum(map(len, texts)), 1)
        bits = bits_per_char(found["loss"] * found["n"], characters)
        return {
            "perplexity": perplexity(found["loss"]),
            "bits_per_character": bits + spelling_bits(self.tokenizer_, texts) / characters,
            "held_back_tokens": found["n"],
        }

    def _folder(self) -> Path | None:
        if self.work_dir is None:
            return None
        Path(self.work_dir).mkdir(parents=True, exist_ok=True)
        return Path(self.work_dir)

    def check_fitted(self) -> None:
        """Raises UsageError for a model that was neither trained nor loaded."""
        if not hasattr(self, "network_"):
            raise UsageError(
                "this language model knows nothing yet: call fit(texts), or LanguageModel.load(path)."
            )


def check_kind(manifest: Mapping[str, Any], path: str | Path) -> None:
    """Raise BundleError when the file at `path` with this manifest holds something else than a language model."""
    if manifest.get("kind") != KIND:
        raise BundleError(f"{path} holds a {manifest.get('kind')}, expected a {KIND}. See `ulmus info`.")


def _continued(prompt: str, began: str, text: str) -> str:
    """`text`, which begins with `began` as the tokens have it, beginning as the user wrote it (unknown words too)."""
    if not prompt.strip() or not text.startswith(began):
        return text
    added = text[len(began) :]
    gap = " " if not began and added else ""
    return prompt.rstrip() + gap + added
