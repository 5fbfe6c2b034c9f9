"""Folders of transformers: what is opened, and what is refused with which message. Tiny models, made here."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ulmus.errors import BundleError, MissingExtra, VocabMismatch
from ulmus.models.checkpoint_folder import check_folder, open_model, open_tokenizer

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def masked(make_checkpoint: Make) -> Path:
    """A tiny BertForMaskedLM."""
    return make_checkpoint("BertForMaskedLM")


@pytest.fixture
def folder(masked: Path, tmp_path: Path) -> Path:
    """A copy of it, to damage."""
    return Path(shutil.copytree(masked, tmp_path / "model"))


def edit(file: Path, **entries: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | entries
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the weights in place."""
    file = folder / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)


def test_a_whole_folder_is_opened_quietly(masked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The config is returned, the model is in evaluation mode and float32, and nothing is printed."""
    assert check_folder(masked)["architectures"] == ["BertForMaskedLM"]
    model = open_model(masked, "AutoModelForMaskedLM")
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert open_tokenizer(masked, model).tokenize("The film was lons") == ["the", "film", "was", "lon", "##s"]
    assert capfd.readouterr() == ("", "")


def test_checking_needs_neither_torch_nor_transformers(masked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check_folder` works without the extra; opening names it."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert check_folder(masked)["model_type"] == "bert"
    with pytest.raises(MissingExtra, match=r"pip install 'ulmus\[transformers\]'"):
        open_model(masked, "AutoModel")


def test_a_missing_folder_is_not_downloaded(tmp_path: Path) -> None:
    """A name as on the hub is an error about the disk."""
    with pytest.raises(BundleError, match=r"There is no folder google/tiny.*downloads nothing"):
        check_folder("google/tiny")


def test_a_file_is_no_folder(folder: Path) -> None:
    """The weights alone are not a model."""
    with pytest.raises(BundleError, match="is a file: expected the folder"):
        check_folder(folder / "model.safetensors")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """An empty folder is named as such."""
    with pytest.raises(BundleError, match="is empty"):
        check_folder(tmp_path)


def test_a_folder_without_config_is_refused(folder: Path) -> None:
    """Without config.json nothing is guessed."""
    (folder / "config.json").unlink()
    with pytest.raises(BundleError, match=r"has no config\.json"):
        check_folder(folder)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000], ids=str)
def test_a_damaged_config_is_refused(folder: Path, content: bytes) -> None:
    """A config that is not a JSON object is one error with its file."""
    (folder / "config.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"config\.json (cannot be read|is not a JSON object)"):
        check_folder(folder)


def test_a_config_of_something_else_is_refused(folder: Path) -> None:
    """A config without model_type, such as that of a pooling layer, is refused."""
    edit(folder / "config.json", model_type=None)
    with pytest.raises(BundleError, match="no `model_type`"):
        check_folder(folder)


def test_an_adapter_is_refused(folder: Path) -> None:
    """An adapter would load a base model from elsewhere."""
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BundleError, match="adapter, not a whole model"):
        check_folder(folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("key", ["auto_map", "attn_implementation"])
def test_remote_code_is_refused(folder: Path, file: str, key: str) -> None:
    """A folder that names Python code is refused before transformers sees it."""
    edit(folder / file, **{key: {"AutoModel": "owner/code--modeling.Model"}})
    with pytest.raises(BundleError, match=f"Python code of its own.*{key}"):
        check_folder(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    """A folder with only pytorch_model.bin is one error that names the conversion."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BundleError, match=r"only in pytorch_model\.bin.*save_pretrained"):
        check_folder(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    """Without any weights the error names the file that is expected."""
    (folder / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"no weights: expected model\.safetensors"):
        check_folder(folder)


def test_cut_weights_are_damaged(folder: Path) -> None:
    """A copy that ended early is damaged."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(BundleError, match=r"model\.safetensors is damaged"):
        check_folder(folder)


@pytest.mark.parametrize("name", ["absent.safetensors", "../config.json"])
def test_parts_of_the_weights_lie_in_the_folder(folder: Path, name: str) -> None:
    """An index may name only files of the folder."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BundleError, match="which the folder does not have"):
        check_folder(folder)


def test_weights_in_parts_are_opened(folder: Path) -> None:
    """A model that was saved in several files is opened like one in a single file."""
    whole = open_model(folder, "AutoModelForMaskedLM")
    (folder / "model.safetensors").unlink()
    whole.save_pretrained(folder, max_shard_size="5kB")
    assert (folder / "model.safetensors.index.json").is_file()
    again = open_model(folder, "AutoModelForMaskedLM")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_a_missing_tokenizer_is_refused(folder: Path) -> None:
    """transformers would make up an empty tokenizer."""
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match="without a tokenizer"):
        check_folder(folder)


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    """A tokenizer.json that is none is one error."""
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"The tokenizer in .* cannot be opened"):
        open_tokenizer(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    """The message names a weight and both shapes."""
    edit(folder / "config.json", intermediate_size=32)
    with pytest.raises(BundleError, match=r"do not belong together: .* shape \(16,\), and by .* \(32,\)"):
        open_model(folder, "AutoModelForMaskedLM")


@pytest.mark.parametrize("kind", ["AutoModel", "AutoModelForMaskedLM"])
@pytest.mark.parametrize(("layers", "message"), [(1, "more layers"), (3, "lacks weights")])
def test_another_number_of_layers_is_refused(folder: Path, kind: str, layers: int, message: str) -> None:
    """Neither are layers left out nor are random ones added."""
    edit(folder / "config.json", num_hidden_layers=layers)
    with pytest.raises(BundleError, match=message):
        open_model(folder, kind, optional=["pooler."])


def test_a_missing_head_is_refused_unless_it_is_optional(folder: Path) -> None:
    """Random weights are used only where the caller does not use their outputs."""
    with pytest.raises(BundleError, match=r"lacks weights of BertForQuestionAnswering: qa_outputs\.bias"):
        open_model(folder, "AutoModelForQuestionAnswering")
    with pytest.raises(BundleError, match=r"pooler\.dense"):
        open_model(folder, "AutoModel")
    open_model(folder, "AutoModel", optional=["pooler."])


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    """A NaN is an error, not a prediction."""
    rewrite(folder, lambda weights: next(iter(weights.values())).fill_(torch.nan))
    with pytest.raises(BundleError, match="NaN or infinite"):
        open_model(folder, "AutoModelForMaskedLM")


def test_an_unknown_architecture_is_one_error(folder: Path) -> None:
    """A model type that transformers does not know is reported in one line."""
    edit(folder / "config.json", model_type="nonsense")
    with pytest.raises(BundleError, match=r"cannot be opened: .*nonsense"):
        open_model(folder, "AutoModel")


def test_a_larger_vocabulary_than_the_weights_is_refused(folder: Path) -> None:
    """A tokenizer of another model is refused, not indexed out of range."""
    model = open_model(folder, "AutoModelForMaskedLM")
    model.resize_token_embeddings(20)
    with pytest.raises(VocabMismatch, match="tokenizer has 31 tokens, but the model only 20"):
        open_tokenizer(folder, model)
