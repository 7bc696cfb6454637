"""A graph with 8-bit matrices, of one with floats."""

import logging
from pathlib import Path
from typing import Dict, Tuple

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from espnet2_distilmos.utils.errors import UserError

# How names of operators in the upstream's blocks begin, as trained and as pretrained.
# Their matrices are nearly all of the work; those of the front end and of the predictor
# stay as they are.
_BLOCKS = ("/layers.", "/pretrained_blocks.")
_SMALLEST = 16  # rows and columns of a matrix that is worth it
# Numbers of another weight that is worth half its size.
_SMALLEST_HALF = 16384


def quantize(source: Path, target: Path) -> None:
    """Write a graph with the matrices of the upstream's blocks in 8 bits.

    What they are multiplied with is brought to 8 bits as it comes (dynamically).

    Args:
        source: the graph with floats; its file is written anew.
        target: file to write.

    Raises:
        UserError: the blocks have no matrices.
    """
    model = onnx.load(source)
    graph = model.graph
    _name_weights(graph)
    onnx.save(model, source)
    large = {w.name for w in graph.initializer if min(w.dims, default=0) >= _SMALLEST}
    nodes = [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        and node.name.startswith(_BLOCKS)
        and large & set(node.input[:2])
    ]
    if not nodes:  # or all of the graph would be taken
        raise UserError("int8: the upstream's blocks have no matrices to make 8-bit")
    # Those with a bias are made anew first, under these names.
    nodes += [f"{name}_MatMul" for name in nodes]
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # it would have the graph prepared by another program
    try:
        quantize_dynamic(
            str(source),
            str(target),
            nodes_to_quantize=nodes,
            per_channel=True,
            # Else sums of products saturate on processors without VNNI.
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(level)


def store_in_8_bits(source: Path, target: Path) -> None:
    """Write a graph that computes with floats, of which the file holds 8 bits each.

    Weights of MatMul, Gemm and Conv become whole numbers from -127 to 127 and a scale
    for each output channel, other large weights (positions, LSTMs) 16-bit floats. What
    the front end computes with is in constants of the graph, which stay as they are.

    Args:
        source: the graph with floats.
        target: file to write.
    """
    model = onnx.load(source)
    graph = model.graph
    _name_weights(graph)
    axes = _output_axes(graph)
    nodes, weights = [], []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT:
            weights.append(weight)
        elif weight.name in axes and min(values.shape[:2]) >= _SMALLEST:
            numbers, scale = _in_8_bits(values, axes[weight.name])
            names = [f"{weight.name}/{part}" for part in ("int8", "float", "scale")]
            weights.append(onnx.numpy_helper.from_array(numbers, names[0]))
            weights.append(onnx.numpy_helper.from_array(scale, names[2]))
            nodes.append(_cast(names[0], names[1]))
            nodes.append(onnx.helper.make_node("Mul", names[1:], [weight.name]))
        elif values.size >= _SMALLEST_HALF and np.abs(values).max() < 1e4:
            name = f"{weight.name}/float16"
            half = values.astype(np.float16)
            weights.append(onnx.numpy_helper.from_array(half, name))
            nodes.append(_cast(name, weight.name))
        else:
            weights.append(weight)
    nodes += graph.node
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(weights)
    graph.node.extend(nodes)
    onnx.save(model, target)


def _output_axes(graph: onnx.GraphProto) -> Dict[str, int]:
    """Return the axis of output channels of each weight of MatMul, Gemm and Conv."""
    axes: Dict[str, int] = {}
    n_dims = {weight.name: len(weight.dims) for weight in graph.initializer}
    for node in graph.node:
        name = node.input[1] if len(node.input) > 1 else ""
        if node.op_type == "Conv" and n_dims.get(name, 0) > 2:
            axes.setdefault(name, 0)
        if node.op_type in ("MatMul", "Gemm") and n_dims.get(name) == 2:
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            axes.setdefault(name, 0 if turned else 1)
    return axes


def _in_8_bits(values: np.ndarray, axis: int) -> Tuple[np.ndarray, np.ndarray]:
    """Return whole numbers and the scale of each channel, by which to multiply them.

    Args:
        values: float32.
        axis: of the channels.

    Returns:
        int8 of the shape of `values`; float32 with one value a channel, of as many
        dimensions.
    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    most = np.abs(values).max(axis=others, keepdims=True)
    most[most == 0] = 1.0
    # The whole range: to cut off its ends is no better with as many steps.
    scale = most / np.float32(127)
    numbers = np.clip(np.round(values / scale), -127, 127)
    return numbers.astype(np.int8), scale.astype(np.float32)


def _cast(source: str, target: str) -> onnx.NodeProto:
    """Return the operator that makes floats of stored numbers."""
    to = onnx.TensorProto.FLOAT
    return onnx.helper.make_node("Cast", [source], [target], to=to)


def _name_weights(graph: onnx.GraphProto) -> None:
    """Have operators take weights by name, also those that the graph uses twice.

    Equal weights, as of a block that training has not moved, are written once, and the
    second is a copy that an operator makes: no weight to whoever quantizes.
    """
    weights = {w.name for w in graph.initializer}
    copies = [
        node
        for node in graph.node
        if node.op_type == "Identity" and node.input[0] in weights
    ]
    names = {node.output[0]: node.input[0] for node in copies}
    for node in copies:  # or the weights with floats would stay in the file
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
