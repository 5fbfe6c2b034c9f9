"""A folder in the format of `transformers` on this disk -> checked config, model and tokenizer; nothing in it is run.

`check_folder` reads JSON and the headers of the weights and needs no optional package; `open_model` and
`open_tokenizer` need the extra `transformers`. Only local folders, only safetensors, never remote code: what a folder
lacks or holds besides is one BundleError that says what to do. Costs a few stats; opening costs reading the weights
once and one pass over their numbers. Knows no task and no text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ulmus.errors import BundleError, MissingExtra, VocabMismatch
from ulmus.storage import open_file

__all__ = [
    "check_folder",
    "open_config",
    "open_model",
    "open_tokenizer",
    "positions",
    "quiet",
    "weight_names",
]

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# files of which a tokenizer has at least one; transformers makes up an empty vocabulary where there is none
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "source.spm",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
LARGEST_JSON_BYTES = 64_000_000  # large index files of real models have a few million
CONVERSION = (
    'Where you trust its source, convert it once: python -c "from transformers import AutoModel as M; '
    "M.from_pretrained('FOLDER').save_pretrained('NEW_FOLDER')\" (with the class that `architectures` in config.json "
    "names instead of AutoModel), and copy the tokenizer's files."
)
_SHOWN = 3  # names in a message


def check_folder(path: str | Path) -> dict[str, Any]:
    """The content of config.json, after checking that the folder holds a whole model that is safe to load.

    Raises BundleError: no such folder, an empty one, no readable config.json, a config that asks for code of its own
    (`auto_map`), no weights, weights other than safetensors, damaged or missing weights, or no tokenizer.
    """
    folder = Path(path)
    _check_exists(folder)
    config = _json(folder / CONFIG)
    _check_no_code(folder, config)
    if not isinstance(config.get("model_type"), str):
        raise BundleError(
            f"{folder / CONFIG} has no `model_type`, so it is not the config of a transformers model. "
            "Give the folder that holds the model itself."
        )
    for file in _weights(folder):
        _check_weights(file)
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise BundleError(
            f"{folder} holds a model without a tokenizer: expected tokenizer.json (or vocab.txt, spiece.model, ...). "
            "Copy the tokenizer's files from where the model came from."
        )
    return config


def open_model(path: str | Path, kind: str, *, optional: Iterable[str] = (), config: Any = None) -> Any:
    """The model of a folder, in evaluation mode, float32, on the CPU; `kind` is an Auto class such as `AutoModel`.

    `optional`: beginnings of names of weights that the folder may lack, because their outputs are not used, or because
    the caller sets them; they are random then. `config`: that of `open_config`, with changes; None: the folder's own.
    Raises BundleError as `check_folder` does, and where weights are missing, left over, of another shape than the
    config says, or not finite. MissingExtra: transformers is not installed.
    """
    folder = Path(path)
    check_folder(folder)
    transformers = _transformers()
    import torch

    with quiet(), _readable(folder, "model"):
        model, found = getattr(transformers, kind).from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            **({} if config is None else {"config": config}),
            ignore_mismatched_sizes=True,  # they are reported below, by name
            output_loading_info=True,
        )
    _check_loaded(folder, model, found, tuple(optional))
    for name, weight in model.named_parameters():
        if not bool(weight.isfinite().all()):
            raise BundleError(f"{folder}: the weights {name} contain NaN or infinite numbers.")
    return model.eval()


def open_config(path: str | Path) -> Any:
    """The config of a folder that `check_folder` accepts, as `transformers` has it. Raises BundleError."""
    transformers = _transformers()
    with quiet(), _readable(Path(path), "config"):
        return transformers.AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def positions(model: Any) -> int | None:
    """The most tokens that an opened model takes at once, special ones included; None: any number."""
    most = getattr(model.config, "max_position_embeddings", None) or 0
    if most < 1:  # XLNet says -1
        return None
    # RoBERTa, MPNet, Longformer and their relatives count positions from behind that of padding
    used = [
        padding + 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings")
        and (padding := getattr(module, "padding_idx", None)) is not None
    ]
    return int(most) - max(used, default=0)


def weight_names(path: str | Path) -> set[str]:
    """Names of the weights in a folder that `check_folder` accepts. Raises BundleError: they are damaged."""
    return {name for file in _weights(Path(path)) for name in _check_weights(file)}


def open_tokenizer(path: str | Path, model: Any = None) -> Any:
    """The tokenizer of a folder that `check_folder` accepts; `model`: the opened model, to compare vocabularies.

    Raises BundleError: a tokenizer that cannot be read. VocabMismatch: it has more tokens than the model. MissingExtra:
    transformers, or a package that this tokenizer needs, is not installed.
    """
    folder = Path(path)
    check_folder(folder)
    transformers = _transformers()
    with quiet(), _readable(folder, "tokenizer"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if model is not None and len(tokenizer) > (rows := model.get_input_embeddings().num_embeddings):
        raise VocabMismatch(
            f"{folder}: the tokenizer has {len(tokenizer):,} tokens, but the model only {rows:,}. "
            "Copy the tokenizer's files from where the model came from."
        )
    return tokenizer


def _check_exists(folder: Path) -> None:
    """Raise BundleError unless the path is a folder with a config.json."""
    if folder.is_file():
        raise BundleError(
            f"{folder} is a file: expected the folder of a model, with config.json and weights."
        )
    if not folder.is_dir():
        raise BundleError(
            f"There is no folder {folder}. Ulmus downloads nothing: give the folder of a model on this disk."
        )
    if not any(folder.iterdir()):
        raise BundleError(f"{folder} is empty: expected the folder of a model, with config.json and weights.")
    if (folder / "adapter_config.json").exists():
        raise BundleError(
            f"{folder} holds an adapter, not a whole model. Merge it into its base model (`merge_and_unload` of peft), "
            "save that, and give its folder."
        )
    if not (folder / CONFIG).is_file():
        raise BundleError(f"{folder} has no {CONFIG}: give the folder that holds {CONFIG} and the weights.")


def _check_no_code(folder: Path, config: dict[str, Any]) -> None:
    """Raise BundleError if a config of the folder names Python code to load."""
    configs = {CONFIG: config}
    if (folder / "tokenizer_config.json").is_file():
        configs["tokenizer_config.json"] = _json(folder / "tokenizer_config.json")
    for name, content in configs.items():
        keys = ("auto_map", "custom_pipelines", "attn_implementation", "_attn_implementation")
        # an implementation of attention with a slash in its name is code to be downloaded
        asked = [
            key for key in keys if content.get(key) and (key not in keys[2:] or "/" in str(content[key]))
        ]
        if asked:
            raise BundleError(
                f"{folder / name} asks for Python code of its own (`{asked[0]}`), which Ulmus never runs. "
                "Use a model of an architecture that transformers contains."
            )


def _weights(folder: Path) -> list[Path]:
    """The safetensors files of the folder. Raises BundleError: none, or one that the index names is missing."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        parts = _json(folder / INDEX).get("weight_map")
        names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
        wrong = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if wrong or not names:
            raise BundleError(
                f"{folder}: the index of the weights names {', '.join(wrong[:_SHOWN]) or 'no file'}, "
                "which the folder does not have. Copy all files of the model."
            )
        return [folder / name for name in names]
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        raise BundleError(
            f"{folder} has its weights only in {pickles[0]}, a format that can run code when it is opened; Ulmus reads "
            f"{WEIGHTS} only. {CONVERSION}"
        )
    raise BundleError(
        f"{folder} has a {CONFIG} but no weights: expected {WEIGHTS}. Copy all files of the model."
    )


def _check_weights(file: Path) -> list[str]:
    """The names of the weights. Raises BundleError unless the header of the safetensors file agrees with its size."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as weights:
            return list(weights.keys())
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file} is damaged ({error}). Copy it again.") from error


def _check_loaded(folder: Path, model: Any, found: dict[str, Any], optional: tuple[str, ...]) -> None:
    """Raise BundleError unless the weights of the folder are exactly those of the model.

    Weights of heads that this model lacks may be left over; those of more layers may not.
    """
    kind = type(model).__name__
    if shapes := sorted(found["mismatched_keys"]):
        name, saved, expected = shapes[0]
        raise BundleError(
            f"{folder}: weights and {CONFIG} do not belong together: {name} has the shape {tuple(saved)}, and by "
            f"{CONFIG} {tuple(expected)}. Copy both from the same place."
        )
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith(optional)):
        raise BundleError(
            f"{folder} lacks weights of {kind}: {_few(missing)}. It was saved by a model of another kind, or its "
            f"{CONFIG} is not its own."
        )
    layers = {_numberless(name) for name in model.state_dict() if re.search(r"\.\d+\.", name)}
    if more := sorted(
        name for name in found["unexpected_keys"] if _numberless(name).endswith(tuple(layers)) and layers
    ):
        raise BundleError(
            f"{folder}: weights and {CONFIG} do not belong together: there are weights of more layers than {CONFIG} "
            f"says: {_few(more)}. Copy both from the same place."
        )


def _numberless(name: str) -> str:
    """The name of a weight without the numbers of layers."""
    return re.sub(r"\d+", "#", name)


def _few(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _json(file: Path) -> dict[str, Any]:
    """The JSON object of a file. Raises BundleError: unreadable, absurdly large, or not an object."""
    try:
        with open_file(file) as opened:
            text = opened.read(LARGEST_JSON_BYTES + 1)
        content = json.loads(text) if len(text) <= LARGEST_JSON_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{file} cannot be read ({error}). Copy it again.") from error
    if not isinstance(content, dict):
        raise BundleError(f"{file} is not a JSON object. Copy it again.")
    return content


def _transformers() -> Any:
    """The package `transformers`. Raises MissingExtra."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra.of("transformers", "transformers", "Opening a folder of this format") from error
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No reports and no progress bars of transformers inside the block: what is wrong is an error of Ulmus.

    Raises MissingExtra: transformers is not installed.
    """
    log = _transformers().utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


@contextmanager
def _readable(folder: Path, what: str) -> Iterator[None]:
    """Turn whatever transformers raises in the block into a BundleError, or MissingExtra for a missing package."""
    try:
        yield
    except ImportError as error:
        first = str(error).strip().splitlines()[0]
        raise MissingExtra(
            f"The {what} in {folder} needs a package that is not installed: {first}"
        ) from error
    except Exception as error:  # `tokenizers` and safetensors raise bare Exceptions
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleError(f"The {what} in {folder} cannot be opened: {first}") from error
