"""Encoders and heads -> ONNX graphs, for programs without torch; `serve/networks.py` runs them.

The graphs of recurrent encoders and of heads are written node by node: they are small, and the same with every version
of torch. A transformer is traced by torch. Large weights are taken out of the graph and returned as arrays, so that a
model file holds every weight once, checked, in its one list of arrays. int8: matrices with one scale per output;
activations are quantized when the graph runs. Needs the extra `onnx`; a transformer's int8 is ONNX Runtime's own.
Axes: T time, B documents, E input features, D features of a layer, F of a document, C classes, V vocabulary, W windows.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ulmus.errors import ConfigError, MissingExtra
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Encoder
from ulmus.models.heads import MAX_DEVIATION, ClassifierHead, Head, LinearHead
from ulmus.models.lstm import LSTMLayer
from ulmus.models.qrnn import QRNNLayer
from ulmus.models.transformer import Transformer

__all__ = ["Graph", "encoder_graph", "head_graph"]

OPSET, IR = 17, 10  # read by every ONNX Runtime from 1.20 on
QUANTIZED = "com.microsoft"
QUANTIZED_OPS = ("MatMul", "Gemm", "Gather")  # of a transformer
LARGE = 1024  # bytes: larger weights are kept outside the graph
IFGO_TO_IOFG = (0, 3, 1, 2)  # our gates are in the order i, f, g, o; those of ONNX i, o, f, g
Floats = NDArray[np.float32]


class Graph(NamedTuple):
    """A graph without its large weights, and those: names -> arrays of any shape."""

    model: bytes
    weights: dict[str, NDArray[Any]]


def encoder_graph(encoder: Encoder, *, int8: bool = False) -> tuple[Graph, dict[str, Any]]:
    """The graph of an encoder, and what `serve/networks.py` needs to know of it.

    Raises ConfigError: an architecture that cannot be exported; MissingExtra: no `onnx`.
    """
    if isinstance(encoder, Transformer):
        return _traced(encoder, int8)
    if isinstance(encoder, AWDLSTM):
        return _recurrent(encoder, int8)
    raise ConfigError(f"a {type(encoder).__name__} cannot be exported.")


def head_graph(head: Head) -> Graph:
    """`features` (B, F) -> `scores` (B, C). Raises ConfigError: an unknown head; MissingExtra: no `onnx`."""
    made = _Nodes()
    if isinstance(head, LinearHead):
        x = made.node("Sub", "features", made.weight("mean", head.mean))
        x = made.node("Div", x, made.weight("scale", head.scale))
        x = made.node("Clip", x, made.number(-MAX_DEVIATION), made.number(MAX_DEVIATION))
        last: Any = head.linear
    elif isinstance(head, ClassifierHead):
        layers: Any = head.layers
        norm, _, hidden, _, norm_2, _, last = layers
        x = made.batch_norm("features", norm)
        x = made.node("Relu", made.node("MatMul", x, made.weight("hidden", hidden.weight.t())))
        x = made.batch_norm(x, norm_2)
    else:
        raise ConfigError(f"a {type(head).__name__} cannot be exported.")
    x = made.node("MatMul", x, made.weight("linear", last.weight.t()))
    made.node("Add", x, made.weight("bias", last.bias), out="scores")
    return made.graph({"features": (made.FLOAT, ["B", "F"])}, {"scores": (made.FLOAT, ["B", "C"])})


class _Nodes:
    """A graph under construction."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtra.of("onnx", "onnx", "Exporting a model") from error
        self.onnx = onnx
        self.FLOAT, self.INT64 = int(onnx.TensorProto.FLOAT), int(onnx.TensorProto.INT64)
        self.nodes: list[Any] = []
        self.inits: dict[str, Any] = {}

    def node(self, op: str, *inputs: str, out: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its output, or of its outputs."""
        names = (
            [out or f"v{len(self.nodes)}"]
            if outputs == 1
            else [f"v{len(self.nodes)}-{k}" for k in range(outputs)]
        )
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, name: str, value: Any) -> str:
        """Add an array; its name."""
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.inits[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def number(self, value: float) -> str:
        """Add a float32 scalar; its name."""
        return self.weight(f"n{value}", np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """Add a list of integers; its name."""
        return self.weight(f"i{values}", np.array(values, np.int64))

    def batch_norm(self, x: str, norm: Any) -> str:
        """Batch normalisation of x (B, F) with its running statistics."""
        name = f"norm{len(self.nodes)}"
        scale = (norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()).detach()
        shift = (norm.bias.double() - norm.running_mean.double() * scale).detach()
        scaled = self.node("Mul", x, self.weight(f"{name}-scale", scale.float()))
        return str(self.node("Add", scaled, self.weight(f"{name}-shift", shift.float())))

    def graph(self, inputs: dict[str, tuple[int, Any]], outputs: dict[str, tuple[int, Any]]) -> Graph:
        """The finished graph."""
        helper = self.onnx.helper
        infos = [
            [helper.make_tensor_value_info(name, *one) for name, one in some.items()]
            for some in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, "ulmus", *infos, list(self.inits.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(QUANTIZED, 1)]
        return _without_weights(helper.make_model(graph, opset_imports=opsets, ir_version=IR))


def _without_weights(model: Any) -> Graph:
    """Move the large weights out of a graph (an `onnx.ModelProto`), which is changed."""
    import onnx

    weights = {}
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.nbytes < LARGE:
            continue
        weights[tensor.name] = np.ascontiguousarray(array)
        for field in ("raw_data", "float_data", "int32_data", "int64_data"):
            tensor.ClearField(field)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "weights"), ("offset", "0"), ("length", str(array.nbytes))):
            tensor.external_data.add(key=key, value=value)
    return Graph(model.SerializeToString(), weights)


def _recurrent(encoder: AWDLSTM, int8: bool) -> tuple[Graph, dict[str, Any]]:
    """One chunk of documents: ids (T, B), lengths (B,), state and pooling before -> state and pooling after, last."""
    made, config = _Nodes(), encoder.config
    x = _embedded(made, encoder.embedding, int8)
    steps = made.node(
        "Range", made.weight("zero", np.array(0)), _size_of(made, "ids"), made.weight("one", np.array(1))
    )
    place = made.node("Unsqueeze", made.node("Unsqueeze", steps, made.whole(1)), made.whole(2))  # (T, 1, 1)
    ends = made.node("Unsqueeze", "lengths", made.whole(1))  # (B, 1)
    real = made.node("Less", place, ends)  # (T, B, 1)
    at_end = made.node("Equal", place, made.node("Sub", ends, made.whole(1)))
    low, zero = made.number(float("-inf")), made.number(0.0)
    carried: dict[str, int] = {}
    for k, layer in enumerate(encoder.layers):
        add: Any = _lstm if isinstance(layer, LSTMLayer) else _qrnn
        x = add(made, x, layer, k, int8)
        highest = made.node("ReduceMax", made.node("Where", real, x, low), axes=[0], keepdims=0)
        total = made.node("ReduceSum", made.node("Where", real, x, zero), made.whole(0), keepdims=0)
        made.node("Max", f"max{k}", highest, out=f"max{k}-after")
        made.node("Add", f"sum{k}", total, out=f"sum{k}-after")
        h, c = layer.state_widths()  # type: ignore[operator]
        width = config.widths()[k]
        carried |= {f"h{k}": h, f"c{k}": c, f"max{k}": width, f"sum{k}": width}
    made.node("ReduceSum", made.node("Where", at_end, x, zero), made.whole(0), out="last", keepdims=0)
    inputs = {name: (made.FLOAT, ["B", width]) for name, width in carried.items()}
    outputs = {f"{name}-after": one for name, one in inputs.items()}
    inputs |= {"ids": (made.INT64, ["T", "B"]), "lengths": (made.INT64, ["B"])}
    outputs["last"] = (made.FLOAT, ["B", config.embedding])
    about = {
        "encoder": "recurrent",
        "states": [list(layer.state_widths()) for layer in encoder.layers],  # type: ignore[operator]
        "widths": config.widths(),
        "batch": 1 if int8 else 16,  # int8 scales are those of a chunk: nobody else may be in it
    }
    return made.graph(inputs, outputs), about


def _size_of(made: _Nodes, name: str) -> str:
    """The first dimension of an array, as a scalar."""
    return str(made.node("Squeeze", made.node("Shape", name, start=0, end=1)))


def _embedded(made: _Nodes, embedding: torch.Tensor, int8: bool) -> str:
    """ids (T, B) -> embeddings (T, B, E)."""
    if not int8:
        return str(made.node("Gather", made.weight("embedding", embedding), "ids"))
    whole, scale = _quantized(embedding.detach().t().numpy())  # one scale per word
    rows = made.node("Gather", made.weight("embedding", whole.T), "ids")
    scales = made.node("Gather", made.weight("embedding-scale", scale[:, None]), "ids")
    return str(made.node("Mul", made.node("Cast", rows, to=made.FLOAT), scales))


def _lstm(made: _Nodes, x: str, layer: LSTMLayer, k: int, int8: bool) -> str:
    """x (T, B, E) -> outputs (T, B, D); the state h{k}, c{k} (B, D) -> h{k}-after, c{k}-after."""
    d = layer.width
    order = np.concatenate([np.arange(g * d, (g + 1) * d) for g in IFGO_TO_IOFG])
    w, r = (m.detach().cpu().numpy()[order] for m in (layer.weight_ih, layer.weight_hh))
    bias = np.concatenate([layer.bias.detach().cpu().numpy()[order], np.zeros(4 * d, np.float32)])
    h, c = (made.node("Unsqueeze", f"{part}{k}", made.whole(0)) for part in "hc")
    given, scales, domain = [w, r], [], {}
    if int8:
        for n, matrix in zip("wr", (w, r), strict=True):
            whole, scale = _quantized(np.ascontiguousarray(matrix.T))
            zeros = np.zeros((1, len(scale)), np.int8)
            given["wr".index(n)] = whole
            scales += [made.weight(f"{n}{k}-scale", scale[None]), made.weight(f"{n}{k}-zero", zeros)]
        scales, domain = ["", *scales], {"domain": QUANTIZED}  # (no peepholes)
    names = [made.weight(f"{n}{k}", m[None]) for n, m in zip("wr", given, strict=True)]
    inputs = [x, *names, made.weight(f"b{k}", bias[None]), "", h, c, *scales]
    op = "DynamicQuantizeLSTM" if int8 else "LSTM"
    y, h, c = made.node(op, *inputs, outputs=3, hidden_size=d, **domain)
    made.node("Squeeze", h, made.whole(0), out=f"h{k}-after")
    made.node("Squeeze", c, made.whole(0), out=f"c{k}-after")
    return str(made.node("Squeeze", y, made.whole(1)))


def _qrnn(made: _Nodes, x: str, layer: QRNNLayer, k: int, int8: bool) -> str:
    """x (T, B, E) -> outputs (T, B, D); the state h{k} (B, E), c{k} (B, D) -> h{k}-after, c{k}-after."""
    seen = x
    if layer.window == 2:
        before = made.node("Unsqueeze", f"h{k}", made.whole(0))
        earlier = made.node("Slice", x, made.whole(0), made.whole(-1), made.whole(0))
        seen = made.node("Concat", x, made.node("Concat", before, earlier, axis=0), axis=2)
    matrix, bias = layer.weight.detach().t().cpu().numpy(), made.weight(f"b{k}", layer.bias)
    if int8:
        whole, scale = _quantized(np.ascontiguousarray(matrix))
        names = [made.weight(f"w{k}", whole), made.weight(f"w{k}-scale", scale)]
        gates = made.node("DynamicQuantizeMatMul", seen, *names, "", bias, domain=QUANTIZED)
    else:
        gates = made.node("Add", made.node("MatMul", seen, made.weight(f"w{k}", matrix)), bias)
    z, f, o = made.node("Split", gates, outputs=3, axis=2)  # (T, B, D) each
    f, z = made.node("Sigmoid", f), made.node("Tanh", z)
    new = made.node("Mul", made.node("Sub", made.number(1.0), f), z)
    last, cells = made.node("Scan", f"c{k}", f, new, outputs=2, num_scan_inputs=2, body=_cells(made))
    made.node("Identity", last, out=f"c{k}-after")
    made.node("Gather", x, made.weight("end", np.array(-1)), out=f"h{k}-after", axis=0)
    return str(made.node("Mul", made.node("Sigmoid", o), cells))


def _cells(made: _Nodes) -> Any:
    """One step of a QRNN: c, f, new (B, D) -> f c + new, as the next c and as an output."""
    helper = made.onnx.helper
    infos = {
        n: helper.make_tensor_value_info(n, made.FLOAT, ["B", "D"]) for n in ("c", "f", "new", "after", "out")
    }
    nodes = [
        helper.make_node("Mul", ["f", "c"], ["kept"]),
        helper.make_node("Add", ["kept", "new"], ["after"]),
        helper.make_node("Identity", ["after"], ["out"]),
    ]
    return helper.make_graph(
        nodes, "step", [infos[n] for n in ("c", "f", "new")], [infos["after"], infos["out"]]
    )


def _quantized(matrix: NDArray[Any]) -> tuple[NDArray[np.int8], Floats]:
    """A matrix (E, M) -> int8 (E, M) and the scale of each column (M,)."""
    scale = np.maximum(np.abs(matrix).max(axis=0) / 127, 1e-12).astype(np.float32)
    return np.round(matrix / scale).astype(np.int8), scale


class _Layers(torch.nn.Module):
    """A transformer as a function of the arrays that its graph takes -> the last two layers' outputs (W, K, D)."""

    def __init__(self, encoder: Transformer, names: list[str]) -> None:
        super().__init__()
        self.encoder, self.names = encoder.model, names

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Windows (W, K), as ids, mask and types."""
        given = dict(zip(self.names, arrays, strict=True))
        found = self.encoder(**given, output_hidden_states=True, return_dict=True)
        return found.hidden_states[-2], found.last_hidden_state


def _traced(encoder: Transformer, int8: bool) -> tuple[Graph, dict[str, Any]]:
    """The graph that torch makes of a transformer: windows (W, K) -> `below` and `top` (W, K, D)."""
    onnx = _Nodes().onnx
    config = encoder.config
    names = ["input_ids", "attention_mask", *["token_type_ids"] * encoder.typed]
    ids = torch.full((2, min(16, config.window)), config.layout.pad)
    arrays = [ids, torch.ones_like(ids), torch.zeros_like(ids)][: len(names)]
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer: it need not know what Python decides by shapes
            torch.onnx.export(
                _Layers(encoder, names).eval(),
                tuple(arrays),
                file,  # type: ignore[arg-type]
                input_names=names,
                output_names=["below", "top"],
                dynamic_axes={name: {0: "W", 1: "K"} for name in (*names, "below", "top")},
                opset_version=OPSET,
                dynamo=False,  # the other exporter needs two packages more, and is no better at these
            )
        model = onnx.load_from_string(file.getvalue())
        if int8:
            model = _quantized_model(model)
    except Exception as error:
        kind = config.architecture.get("model_type")
        raise ConfigError(f"the architecture {kind} cannot be exported: {str(error)[:300]}") from error
    about = {"encoder": "transformer", "typed": encoder.typed, "batch": 1 if int8 else 32} | {
        name: value for name, value in config.to_dict().items() if name != "architecture"
    }
    return _without_weights(model), about


def _quantized_model(model: Any) -> Any:
    """A graph whose matrices and embeddings are int8."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingExtra.of("onnx", "onnxruntime", "Exporting a model") from error
    import logging
    import tempfile
    from pathlib import Path

    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it advises on graphs of images
        try:
            options: dict[str, Any] = {"op_types_to_quantize": list(QUANTIZED_OPS), "per_channel": True}
            quantize_dynamic(model, path, weight_type=QuantType.QInt8, **options)
        finally:
            logger.setLevel(level)
        return onnx.load(path)
