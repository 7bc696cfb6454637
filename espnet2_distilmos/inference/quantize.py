"""A graph with 8-bit matrices, of one with floats."""

import logging
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from espnet2_distilmos.utils.errors import UserError

# How names of operators in the upstream's blocks begin, as trained and as pretrained.
# Their matrices are nearly all of the work; those of the front end and of the predictor
# stay as they are.
_BLOCKS = ("/layers.", "/pretrained_blocks.")
_SMALLEST = 16  # rows and columns of a matrix that is worth it


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
