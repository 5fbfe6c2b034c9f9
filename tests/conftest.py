"""What several tests share: the public data sets, and quiet, small, repeatable runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: threads would only wait for each other
os.environ.setdefault("HF_HUB_OFFLINE", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs behind
settings.register_profile("no clock", deadline=None)  # a busy machine is no bug
settings.load_profile("no clock")

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `data` where the public data sets are not, and say so."""
    if DATA.is_dir():
        return
    reason = f"the public data sets are not at {DATA}; set ULMUS_DATA to their folder"
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests start from nothing, whatever language models are installed; those of `installed` bring their own."""
    monkeypatch.setattr("ulmus.installed.OWN", Path("/nonexistent"))
    monkeypatch.setattr("ulmus.installed.entry_points", lambda **_: ())


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the public data sets; asking for it skips the test where it is not there."""
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not at {DATA}; set ULMUS_DATA to their folder")
    return DATA.resolve()


WORDS = "the a film was good bad great dull paris london . , what is where ? john lives in 0 1 2 ##s ##ly ##don lon"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TINY = {"vocab_size": 32, "initializer_range": 0.5}
SHAPES: dict[str, dict[str, Any]] = {
    "Bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    | {"max_position_embeddings": 24},
    "Roberta": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    | {"max_position_embeddings": 24},
    "MPNet": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    | {"max_position_embeddings": 24},
    "SqueezeBert": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    | {"intermediate_size": 16, "embedding_size": 16, "max_position_embeddings": 24},
    "Deberta": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    | {"max_position_embeddings": 24, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "XLNet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16},
    "Canine": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    "T5": {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    | {"decoder_start_token_id": 0, "eos_token_id": 3, "initializer_factor": 5.0},
    "GPT2": {
        "n_embd": 16,
        "n_layer": 1,
        "n_head": 2,
        "n_positions": 24,
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
}


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a folder with a random transformer of a few thousand weights: make_checkpoint("BertForMaskedLM").

    More arguments go into its config. The tokenizer has 31 words, all in lower case; a text has at most 24 tokens.
    """

    def make(kind: str, **config: Any) -> Path:
        import torch
        import transformers
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

        folder = tmp_path_factory.mktemp("checkpoint")
        family = next(name for name in SHAPES if kind.startswith(name))
        ids = {word: i for i, word in enumerate([*SPECIALS, *WORDS.split()])}
        tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        if family != "GPT2":
            tokenizer.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]",
                pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
            )
        roles = zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIALS, strict=True)
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, model_max_length=24, **dict(roles)
        ).save_pretrained(folder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            shape = getattr(transformers, f"{family}Config")(**TINY | SHAPES[family] | config)
            model = getattr(transformers, kind)(shape)
        transformers.utils.logging.disable_progress_bar()
        model.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def launch_two() -> Callable[..., list[subprocess.CompletedProcess[str]]]:
    """`launch_two(script, *arguments, **environment)`: run a script in two processes, as torchrun starts them."""

    def launch(script: str, *arguments: object, **more: str) -> list[subprocess.CompletedProcess[str]]:
        enable_socket()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        disable_socket(allow_unix_socket=True)
        command = [sys.executable, "-c", script, *map(str, arguments)]
        started = []
        for rank in "01":
            own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
            own |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command, env=os.environ | own | more, **pipes))
        outputs = [process.communicate(timeout=900) for process in started]
        return [
            subprocess.CompletedProcess(command, process.returncode, *output)
            for process, output in zip(started, outputs, strict=True)
        ]

    return launch
