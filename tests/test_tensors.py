"""The safetensors format: compatibility with the official library, bfloat16, damaged headers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ulmus.errors import BundleError
from ulmus.tensors import DTYPES, BFloat16, check_numbers, pack, unpack

any_array = hnp.arrays(
    st.sampled_from([np.dtype(code) for code in DTYPES.values()]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)


def packed(header: object, data: bytes = b"") -> bytearray:
    text = json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + data)


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@settings(deadline=None, max_examples=50)
@given(tensors=st.dictionaries(st.text(max_size=5), any_array, max_size=5))
def test_arrays_survive_a_round_trip(tensors: dict[str, np.ndarray]) -> None:
    """Arrays of every dtype and shape, also scalars and empty ones, survive a round trip, aligned and writable."""
    found = unpack(bytearray(b"".join(pack(tensors))))
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.aligned
        assert found[name].flags.writeable


def test_the_official_library_reads_and_writes_the_same() -> None:
    """safetensors.numpy reads what `pack` wrote, and `unpack` reads what it wrote."""
    official = pytest.importorskip("safetensors.numpy")
    tensors = {"b": np.arange(6.0).reshape(2, 3), "a": np.array([True, False, True]), "c": np.int8([[1]])}
    theirs = official.load(b"".join(pack(tensors)))
    ours = unpack(bytearray(official.save(tensors, metadata={"kept": "by nobody"})))
    for name, array in tensors.items():
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(ours[name], array)


def test_torch_reads_bfloat16_as_such() -> None:
    """A BFloat16 is a true bfloat16 tensor for torch, with torch's own rounding, and shares its memory."""
    torch = pytest.importorskip("torch")
    official = pytest.importorskip("safetensors.torch")
    values = np.concatenate([np.random.default_rng(0).normal(size=997), [np.inf, -0.0, np.nan]])
    assert BFloat16.from_float32(np.float32(1.5)).to_float32().shape == ()
    ours = BFloat16.from_float32(values.astype(np.float32).reshape(10, 100))
    data = b"".join(pack({"w": ours, "odd": np.ones(3, np.uint8)}))
    tensor = official.load(data)["w"]
    assert tensor.dtype == torch.bfloat16
    wanted = torch.from_numpy(values).float().bfloat16().reshape(10, 100)
    np.testing.assert_array_equal(tensor.float().numpy(), wanted.float().numpy())
    back = unpack(bytearray(official.save({"w": wanted})))["w"]
    assert isinstance(back, BFloat16)
    np.testing.assert_array_equal(back.to_float32(), wanted.float().numpy())
    shared = torch.from_numpy(back.bits).view(torch.bfloat16)
    shared[0, 0] = 3
    assert back.to_float32()[0, 0] == 3


@given(values=hnp.arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
@settings(deadline=None, max_examples=50)
def test_bfloat16_is_the_nearest(values: np.ndarray) -> None:
    """Rounding to bfloat16 is to the nearest value, and bfloat16 values are unchanged."""
    rounded = BFloat16.from_float32(values).to_float32()
    normal = (np.abs(values) > 2e-38) & (np.abs(values) < 3e38)
    assert (np.abs(rounded - values)[normal] <= np.abs(values)[normal] / 256).all()
    again = BFloat16.from_float32(rounded).to_float32()
    np.testing.assert_array_equal(again, rounded)


def test_the_same_tensors_give_the_same_bytes() -> None:
    """The bytes do not depend on the order, contiguity or byte order of the tensors."""
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.uint8)
    one = b"".join(pack({"a": a, "b": b}))
    other = b"".join(pack({"b": b, "a": np.asfortranarray(a).astype(">f4")}))
    assert one == other


@pytest.mark.parametrize("array", [np.array([None]), np.array(["text"]), np.ones(2, complex)])
def test_a_dtype_outside_the_format_is_refused(array: np.ndarray) -> None:
    """Objects, strings and complex numbers raise a TypeError that names the tensor."""
    with pytest.raises(TypeError, match="tensor 'w' has dtype"):
        pack({"w": array})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytearray(b"\x01"), "header is too long"),
        (bytearray(b"\xff" * 8 + b"{}"), "header is too long"),
        (bytearray(b"\x02" + bytes(7) + b"{"), "header is too long"),
        (bytearray(b"\x02" + bytes(7) + b"{{"), "not JSON"),
        (bytearray(b"\x02" + bytes(7) + b"\xff\xff"), "not JSON"),
        (packed([1]), "not a JSON object"),
        (bytearray(b"\x0f" + bytes(7) + b'{"a": 1,"a": 2}'), "duplicate tensor name"),
        (packed({"w": 1}), "invalid header entry"),
        (packed({"w": {"dtype": "F32"}}), "invalid header entry"),
        (packed({"w": entry("OBJ", [1], 0, 4)}, bytes(4)), "dtype OBJ"),
        (packed({"w": entry("F32", [2], 0, 8)}, bytes(4)), "invalid shape or offset"),
        (packed({"w": entry("F32", [-1], 0, 4)}, bytes(4)), "invalid shape or offset"),
        (packed({"w": entry("F32", [1.0], 0, 4)}, bytes(4)), "invalid shape or offset"),  # type: ignore[list-item]
        (packed({"w": entry("F32", [True], 0, 4)}, bytes(4)), "invalid shape or offset"),
        (packed({"w": entry("F32", [1] * 99, 0, 4)}, bytes(4)), "invalid shape or offset"),
        (packed({"w": entry("F32", [1], 4, 0)}, bytes(4)), "invalid shape or offset"),
        (
            packed({"w": entry("F32", [10**9, 10**9, 10**9], 0, 4)}, bytes(4)),
            "not have the size of its shape",
        ),
        (packed({"w": entry("F32", [1], 0, 4)}, bytes(8)), "overlap or leave gaps"),
        (packed({"v": entry("U8", [3], 0, 3), "w": entry("U8", [2], 2, 4)}, bytes(4)), "overlap"),
        (packed({"v": entry("U8", [1], 0, 1), "w": entry("U8", [2], 2, 4)}, bytes(4)), "gaps"),
        (packed({"w": entry("F32", [0, 2**61], 0, 0)}), "invalid shape or offset"),
        (packed({"w": entry("F32", [0, 2**40, 2**40], 0, 0)}), "invalid shape or offset"),
        (packed({}, b"hidden"), "gaps"),
        (bytearray(b"\x00\x00\x10" + bytes(5) + b"[" * 2**20), "not JSON"),
    ],
)
def test_damaged_weights_are_reported(data: bytearray, words: str) -> None:
    """Any inconsistency is a BundleError before memory is allocated."""
    with pytest.raises(BundleError, match=words):
        unpack(data)


@pytest.mark.parametrize("kind", ["<f8", "<f4", "<f2", "bfloat16"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf, 1.2e5, -1.2e5])
def test_numbers_that_cannot_be_weights_are_reported(kind: str, value: float) -> None:
    """NaN, infinity and magnitudes above 100,000 are refused as weights in every float type; integers are not."""
    usual = np.float32([0.0, -0.0, 1e-40, 6e4, -6e4])
    with np.errstate(over="ignore"):
        spoilt = np.append(usual, np.float32(value))
        make = BFloat16.from_float32 if kind == "bfloat16" else lambda x: x.astype(kind)
        good, bad = make(usual), make(spoilt)
    check_numbers({"w": good, "n": np.int64([2**62, -(2**62)]), "empty": np.zeros(0, np.float32)})
    with pytest.raises(BundleError, match="Tensor 'w' contains NaN"):
        check_numbers({"v": good, "w": bad})
