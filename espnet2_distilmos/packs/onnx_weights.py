"""Weights that a file holds in 8 or 16 bits, as float32 before the graph is opened.

In the file they are what any reader of ONNX computes with: 8-bit numbers that a `Cast`
makes floats and a `Mul` scales, or 16-bit floats and a `Cast`. ONNX Runtime would do so
once, if it were allowed to compute constants beforehand; it is not, since that has no
bound of memory (:mod:`espnet2_distilmos.packs.onnx_session`). Here each stored number
becomes one float32, which has: what is made takes at most four times the file.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple
from typing import Counter as CounterOf

import numpy as np

from espnet2_distilmos.packs.onnx_scan import MOST_BYTES
from espnet2_distilmos.packs.protobuf import (
    VARINT,
    Malformed,
    Reader,
    head,
    number_field,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Types of TensorProto.
_FLOAT, _INT8, _FLOAT16 = 1, 3, 10
_STORED: Dict[int, "np.dtype[Any]"] = {
    _FLOAT: np.dtype("<f4"),
    _INT8: np.dtype("i1"),
    _FLOAT16: np.dtype("<f2"),
}


@dataclass
class _Tensor:
    """A weight of the graph: its place in the file, not its values."""

    name: str = ""
    dims: List[int] = field(default_factory=list)
    kind: int = 0
    start: int = 0
    end: int = -1  # of the values; before `start` = they stand in another way

    def is_plain(self) -> bool:
        """Tell whether there are as many values as the shape says."""
        dtype = _STORED.get(self.kind)
        if dtype is None or not self.dims:
            return False
        size = math.prod(self.dims) * dtype.itemsize
        return size > 0 and size == self.end - self.start


@dataclass
class _Node:
    operator: str = ""
    inputs: List[str] = field(default_factory=list)
    outputs: List[str] = field(default_factory=list)
    to: int = 0


@dataclass
class _Decoded:
    """What takes the place of operators: `stored`, times `scale` if there is one."""

    stored: _Tensor
    scale: Optional[_Tensor] = None


def with_float_weights(path: PathLike) -> bytes:
    """Return a model with the weights that are stored in fewer bits as float32.

    A stored weight that several operators take is left as it is, or one line of a graph
    could ask for any amount of memory.

    Args:
        path: the file, which has been looked over
            (:func:`espnet2_distilmos.packs.onnx_scan.scan_onnx`).

    Raises:
        UserError: it would be larger than a model in one file may be.
    """
    try:
        parts = _Decoder(Path(path).read_bytes()).parts()
    except (OSError, Malformed) as e:  # it has changed since
        raise UserError(f"{path}: cannot be read ({e}); get it again") from e
    size = sum(map(len, parts))
    if size > MOST_BYTES:
        raise UserError(
            f"{path}: {size / 1e9:.1f} GB with its weights as float32; a model has at "
            f"most {MOST_BYTES / 1e9:.1f} GB"
        )
    return b"".join(bytes(part) for part in parts)


class _Decoder(Reader):
    """One file; `parts` are its bytes, some of them made anew."""

    data: bytes

    def __init__(self, data: bytes):
        super().__init__(data)
        self.tensors: Dict[str, _Tensor] = {}
        self.uses: CounterOf[str] = Counter()
        self.decoded: Dict[str, _Decoded] = {}

    def parts(self) -> List["_Part"]:
        """Return the model, in pieces."""
        parts: List[_Part] = []
        for number, begin, a, b in self.whole_fields(0, len(self.data)):
            if number != 7:
                parts.append(_Part(self.data[begin:b]))
                continue
            graph = self.graph(a, b)
            parts.append(_Part(head(7, sum(map(len, graph)))))
            parts += graph
        return parts

    def graph(self, start: int, end: int) -> List["_Part"]:
        """GraphProto."""
        places = list(self.whole_fields(start, end))
        nodes: Dict[int, _Node] = {}
        for number, begin, a, b in places:
            if number == 5:
                tensor = self.tensor(a, b)
                self.tensors[tensor.name] = tensor
            elif number == 1:
                nodes[begin] = self.node(a, b)
                self.uses.update(nodes[begin].inputs)
        gone = {begin for begin, node in nodes.items() if self.decode(node)}
        used_up = {
            tensor.name
            for weight in self.decoded.values()
            for tensor in (weight.stored, weight.scale)
            if tensor is not None
        }
        parts: List[_Part] = []
        for number, begin, a, b in places:
            if begin in gone or (number == 5 and self.tensor(a, b).name in used_up):
                continue
            parts.append(_Part(self.data[begin:b]))
        for name, weight in self.decoded.items():
            parts.append(_Weight(name, weight, self.data))
        return parts

    def decode(self, node: _Node) -> bool:
        """Note what an operator makes of stored weights; tell whether it does that."""
        if len(node.outputs) != 1 or any(self.uses[name] != 1 for name in node.inputs):
            return False
        (output,) = node.outputs
        if output in self.decoded or output in self.tensors:
            return False
        if node.operator == "Cast" and node.to == _FLOAT and len(node.inputs) == 1:
            stored = self.tensors.get(node.inputs[0])
            if stored and stored.kind in (_INT8, _FLOAT16) and stored.is_plain():
                self.decoded[output] = _Decoded(stored)
                return True
        if node.operator == "Mul" and len(node.inputs) == 2:
            weight = self.decoded.get(node.inputs[0])
            scale = self.tensors.get(node.inputs[1])
            if weight and not weight.scale and scale and _scales(weight.stored, scale):
                del self.decoded[node.inputs[0]]
                self.decoded[output] = _Decoded(weight.stored, scale)
                return True
        return False

    def whole_fields(self, start: int, end: int) -> Iterator[Tuple[int, int, int, int]]:
        """Yield number, start of the field, start and end of its value."""
        begin = start
        for number, _, a, b in self.fields(start, end):
            yield number, begin, a, b
            begin = b

    def tensor(self, start: int, end: int) -> _Tensor:
        """TensorProto."""
        found = _Tensor()
        for number, wire, a, b in self.fields(start, end):
            if number == 1 and wire == VARINT:
                found.dims.append(self.varint(a, b)[0])
            elif number == 1:  # packed
                while a < b:
                    value, a = self.varint(a, b)
                    found.dims.append(value)
            elif number == 2 and wire == VARINT:
                found.kind = self.varint(a, b)[0]
            elif number == 8:
                found.name = self.data[a:b].decode("utf-8", "replace")
            elif number == 9:
                found.start, found.end = a, b
        return found

    def node(self, start: int, end: int) -> _Node:
        """NodeProto."""
        found = _Node()
        for number, text in self.texts(start, end, (1, 2, 4)):
            if number == 4:
                found.operator = text
            else:
                (found.inputs if number == 1 else found.outputs).append(text)
        if found.operator == "Cast":
            for _, a, b in self.messages(start, end, {5}):
                for number, wire, c, d in self.fields(a, b):
                    if number == 3 and wire == VARINT:
                        found.to = self.varint(c, d)[0]
        return found


def _scales(stored: _Tensor, scale: _Tensor) -> bool:
    """Tell whether `stored` times `scale` is of the shape of `stored`."""
    return (
        scale.kind == _FLOAT
        and scale.is_plain()
        and len(scale.dims) == len(stored.dims)
        and all(s in (1, n) for s, n in zip(scale.dims, stored.dims))
    )


class _Part:
    """Some bytes of a model."""

    def __init__(self, data: bytes):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data


class _Weight(_Part):
    """A float32 initializer of a graph; its values are made when they are asked for."""

    def __init__(self, name: str, weight: _Decoded, data: bytes):
        super().__init__(data)  # of the file
        self.weight = weight
        self.n_bytes = 4 * math.prod(weight.stored.dims)
        text = name.encode()
        tensor = b"".join(number_field(1, n) for n in weight.stored.dims)
        tensor += number_field(2, _FLOAT) + head(8, len(text)) + text
        tensor += head(9, self.n_bytes)
        self.before = head(5, len(tensor) + self.n_bytes) + tensor

    def __len__(self) -> int:
        return len(self.before) + self.n_bytes

    def __bytes__(self) -> bytes:
        values = self.values(self.weight.stored).astype("<f4")
        if self.weight.scale is not None:
            values *= self.values(self.weight.scale)
        return self.before + values.tobytes()

    def values(self, tensor: _Tensor) -> np.ndarray:
        """Return what a weight's place holds."""
        dtype = _STORED[tensor.kind]
        count = math.prod(tensor.dims)
        found = np.frombuffer(self.data, dtype, count, tensor.start)
        return found.reshape(tensor.dims)
