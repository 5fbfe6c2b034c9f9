"""Named arrays <-> bytes in the safetensors format, in pure numpy, bfloat16 included.

The format is public (huggingface.co/docs/safetensors): 8 bytes of header length, a JSON header {name: dtype,
shape, data_offsets}, then the raw little-endian data. Implemented here because `safetensors.numpy` rejects
bfloat16, which numpy lacks, and its raw interface changes between releases; the tests exchange files with that
library in both directions. Makes no copy beyond the file's own bytes. All sizes are checked before use.
Knows neither torch nor models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import BundleError

__all__ = ["ALIGNMENT", "BFloat16", "Tensor", "aligned", "check_numbers", "pack", "unpack"]

LARGEST_WEIGHT = 1e5  # training yields none larger, and products of larger ones overflow
LARGEST_HEADER_BYTES = 16_000_000  # about 100,000 tensors; a larger header would only fill the memory
METADATA = "__metadata__"
ALIGNMENT = 64  # bytes: the data starts at a multiple of this, for vector instructions
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


@dataclass(frozen=True, eq=False)
class BFloat16:
    """A bfloat16 array as its bits; `torch.from_numpy(t.bits).view(torch.bfloat16)` shares the memory."""

    bits: NDArray[np.uint16]  # any shape

    @classmethod
    def from_float32(cls, values: NDArray[np.float32]) -> BFloat16:
        """Round an array of any shape to nearest, ties to even, as torch does; NaN stays NaN."""
        wide = np.ascontiguousarray(values, np.float32).view(np.uint32)
        rounded = (wide + (0x7FFF + ((wide >> 16) & 1))) >> 16  # wraps only for NaN, fixed below
        bits = np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)
        return cls(bits.reshape(np.shape(values)))

    def to_float32(self) -> NDArray[np.float32]:
        """The same numbers as float32, exactly; same shape."""
        return np.asarray(self.bits.astype(np.uint32) << 16).view(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.bits.shape


Tensor = NDArray[Any] | BFloat16


def pack(tensors: Mapping[str, Tensor]) -> list[bytes | memoryview]:
    """The bytes of a safetensors file as chunks that share the arrays' memory; same tensors, same bytes.

    Arrays may have any shape. Raises TypeError for one without a safetensors dtype (objects, strings, complex).
    """
    plain = {name: _describe(name, tensor) for name, tensor in tensors.items()}
    order = sorted(plain, key=lambda name: (-plain[name][1].itemsize, name))  # keeps every tensor aligned
    header: dict[str, Any] = {}
    end = 0
    for name in order:
        dtype, array = plain[name]
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    data = [plain[name][1].reshape(-1).view(np.uint8).data for name in order]
    return [len(text).to_bytes(8, "little") + text, *data]


def unpack(data: bytearray | memoryview) -> dict[str, Tensor]:
    """The arrays of a safetensors file as writable, aligned views of `data`, in the shapes its header gives.

    Raises BundleError when header and data do not match exactly.
    """
    header, start = _read_header(data)
    spans: list[tuple[int, int]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        dtype, shape, (begin, end) = _check_entry(name, entry, len(data) - start)
        array = np.frombuffer(data, dtype, count=math.prod(shape), offset=start + begin).reshape(shape)
        tensors[name] = BFloat16(array) if entry["dtype"] == "BF16" else array
        spans.append((begin, end))
    spans.sort()
    ends = [0, *(end for _, end in spans)]
    if [begin for begin, _ in spans] != ends[:-1] or ends[-1] != len(data) - start:
        raise BundleError("The weights are damaged: the tensors overlap or leave gaps.")
    return tensors


def check_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Raise BundleError for a floating-point number that is NaN, infinite, or larger than 100,000 in magnitude.

    Tensors have any shape. Floating-point numbers of one sign are ordered like their bits, with NaN beyond infinity, so
    that the largest bits of each sign suffice. Costs two passes over the numbers, at memory speed.
    """
    for name, tensor in tensors.items():
        bits, limit = _bits(tensor)
        if limit == 0 or not bits.size:
            continue
        sign = 1 << (8 * bits.itemsize - 1)
        signed = bits.view(bits.dtype.str.replace("u", "i"))
        if int(signed.max()) > limit or int(bits.max()) - sign > limit:
            raise BundleError(
                f"Tensor {name[:80]!r} contains NaN, infinite or absurdly large numbers; retrain the model."
            )


def _bits(tensor: Tensor) -> tuple[NDArray[Any], int]:
    """The bits of floating-point numbers, unsigned, same shape, and those of the largest allowed; 0 for other types."""
    if isinstance(tensor, BFloat16):
        return tensor.bits, int(np.float32(LARGEST_WEIGHT).view(np.uint32)) >> 16
    if tensor.dtype.kind != "f":
        return np.asarray(tensor), 0
    unsigned = tensor.dtype.str.replace("f", "u")
    largest = min(LARGEST_WEIGHT, float(np.finfo(tensor.dtype).max))
    return tensor.view(unsigned), int(np.array(largest, tensor.dtype).view(unsigned))


def aligned(size_bytes: int) -> memoryview:
    """`size_bytes` writable, uninitialized bytes that start at a multiple of `ALIGNMENT`."""
    room = np.empty(size_bytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room.data[start : start + size_bytes]


def _describe(name: str, tensor: Tensor) -> tuple[str, NDArray[Any]]:
    """The safetensors dtype of a tensor and its data, contiguous and little-endian. Raises TypeError without one."""
    if isinstance(tensor, BFloat16):
        return "BF16", np.ascontiguousarray(tensor.bits, "<u2").reshape(tensor.shape)
    array = np.asarray(tensor)
    little = array.dtype.newbyteorder("<")
    if name == METADATA or little not in NAMES:
        raise TypeError(f"tensor {name!r} has dtype {array.dtype}, expected one of {', '.join(DTYPES)}")
    return NAMES[little], np.ascontiguousarray(array, little).reshape(array.shape)


def _read_header(data: bytearray | memoryview) -> tuple[dict[str, Any], int]:
    """The header without its free-text metadata, and the offset of the data in bytes. Raises BundleError."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, LARGEST_HEADER_BYTES):
        raise BundleError("The weights are damaged: the header is too long.")
    try:
        header = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"The weights are damaged: the header is not JSON ({error}).") from error
    if not isinstance(header, dict):
        raise BundleError("The weights are damaged: the header is not a JSON object.")
    header.pop(METADATA, None)
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate tensor name")
    return result


def _check_entry(
    name: str, entry: Any, size_bytes: int
) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    """Dtype, shape and data offsets of one tensor, consistent with `size_bytes` of data. Raises BundleError."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise BundleError(f"The weights are damaged: tensor {name[:80]!r} has an invalid header entry.")
    code = "<u2" if entry["dtype"] == "BF16" else DTYPES.get(str(entry["dtype"]))
    shape, offsets = entry["shape"], entry["data_offsets"]
    if code is None:
        raise BundleError(
            f"Tensor {name[:80]!r} has dtype {str(entry['dtype'])[:20]}, which Ulmus does not support."
        )
    sane = _whole_numbers(shape) and len(shape) <= 32 and _whole_numbers(offsets) and len(offsets) == 2
    dtype = np.dtype(code)
    if not sane or not offsets[0] <= offsets[1] <= size_bytes:
        raise BundleError(f"The weights are damaged: tensor {name[:80]!r} has an invalid shape or offset.")
    if (
        0 in shape and math.prod(side or 1 for side in shape) >= 2**48
    ):  # (numpy multiplies the non-zero sides)
        raise BundleError(f"The weights are damaged: tensor {name[:80]!r} has an invalid shape or offset.")
    if math.prod(shape) * dtype.itemsize != offsets[1] - offsets[0]:
        raise BundleError(
            f"The weights are damaged: tensor {name[:80]!r} does not have the size of its shape."
        )
    return dtype, tuple(shape), (offsets[0], offsets[1])


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**62 for v in values)
