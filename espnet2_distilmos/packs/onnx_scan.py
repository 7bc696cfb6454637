"""Look over an `.onnx` file before anything loads it.

A graph is a program: it may name other files, bring functions and operators of its
own, and run for ever in loops. What `distilmos export` writes does none of that, so a
file that does is refused. The bytes are read as Protocol Buffers; nothing is built of
them, and weights are passed over.

The numbers of fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import mmap
from pathlib import Path
from typing import Any, Dict

from espnet2_distilmos.packs.protobuf import VARINT, Malformed, Reader
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

SUFFIX = ".onnx"
MOST_BYTES = 2**31 - 1  # that a Protocol Buffers message may have
_MOST_NODES = 200_000

# What export writes, for any family and version of torch, and the like: no control
# flow, nothing random, nothing that reads or writes elsewhere.
OPERATORS = frozenset(
    "Abs Add And Cast CastLike Ceil Clip Concat Constant ConstantOfShape Conv Cos "
    "CumSum DequantizeLinear Div DynamicQuantizeLinear Equal Erf Exp Expand Flatten "
    "Floor Gather GatherElements GatherND Gelu Gemm Greater GreaterOrEqual "
    "GroupNormalization Identity InstanceNormalization LSTM LayerNormalization "
    "LeakyRelu Less LessOrEqual Log MatMul MatMulInteger Max Min Mod Mul Neg Not Or "
    "Pad Pow QuantizeLinear Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare Relu Reshape ScatterND Shape Sigmoid Sign "
    "Sin Size Slice Softmax Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze "
    "Where".split()
)
_DOMAINS = ("", "ai.onnx")  # of the standard's operators


def is_onnx(path: Any) -> bool:
    """Tell whether this names an `.onnx` file, which may be missing."""
    return path is not None and str(path).endswith(SUFFIX) and not Path(path).is_dir()


def scan_onnx(path: PathLike) -> Dict[str, str]:
    """Return the metadata of a model, once the whole file has been looked over.

    Raises:
        UserError: unreadable, no model, too large, or a model that could do more than
            compute scores.
    """
    try:
        with open(path, "rb") as f:
            size = f.seek(0, 2)
            if size > MOST_BYTES:
                raise UserError(
                    f"{path}: {size / 1e9:.1f} GB; a model in one file has at most "
                    f"{MOST_BYTES / 1e9:.1f} GB"
                )
            if size == 0:
                raise Malformed("0 bytes")
            with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Scan(str(path), data).model(0, size)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except Malformed as e:
        raise UserError(
            f"{path}: not an ONNX model, damaged or cut off ({e}); get it again"
        ) from e


class _Scan(Reader):
    """One pass over the bytes of a file; each method is given a message's place."""

    def __init__(self, path: str, data: mmap.mmap):
        super().__init__(data)
        self.path = path
        self.n_nodes = 0

    def refuse(self, what: str) -> UserError:
        """Return the error; `what` follows "refused, the graph"."""
        return UserError(
            f"{self.path}: refused, the graph {what}; distilmos export writes none such"
        )

    def model(self, start: int, end: int) -> Dict[str, str]:
        """ModelProto -> its metadata."""
        metadata: Dict[str, str] = {}
        graphs = 0
        for number, a, b in self.messages(start, end, {7, 8, 14, 20, 25}):
            if number == 7:
                graphs += 1
                self.graph(a, b)
            elif number == 8:
                self.opset(a, b)
            elif number == 14:
                texts = dict(self.texts(a, b, (1, 2)))
                metadata[texts.get(1, "")] = texts.get(2, "")
            else:
                raise self.refuse("has functions or training steps of its own")
        if graphs != 1:  # several would be merged
            raise Malformed(f"{graphs} graphs")
        return metadata

    def opset(self, start: int, end: int) -> None:
        """OperatorSetIdProto."""
        for _, domain in self.texts(start, end, (1,)):
            if domain not in _DOMAINS:
                raise self.refuse(f"needs custom operators ({domain[:50]!r})")

    def graph(self, start: int, end: int) -> None:
        """GraphProto."""
        for number, a, b in self.messages(start, end, {1, 5, 15}):
            if number == 1:
                self.node(a, b)
            elif number == 5:
                self.tensor(a, b)
            else:
                raise self.refuse("has sparse weights")

    def node(self, start: int, end: int) -> None:
        """NodeProto."""
        self.n_nodes += 1
        if self.n_nodes > _MOST_NODES:
            raise self.refuse(f"has more than {_MOST_NODES} operators")
        for number, text in self.texts(start, end, (4, 7)):
            if number == 7 and text not in _DOMAINS:
                raise self.refuse(f"has custom operators ({text[:50]!r})")
            if number == 4 and text not in OPERATORS:
                raise self.refuse(f"has an operator {text[:50]!r}")
        for _, a, b in self.messages(start, end, {5}):
            self.attribute(a, b)

    def attribute(self, start: int, end: int) -> None:
        """AttributeProto."""
        for number, a, b in self.messages(start, end, {5, 6, 10, 11, 22, 23}):
            if number not in (5, 10):
                raise self.refuse("has graphs inside, as loops have, or sparse values")
            self.tensor(a, b)

    def tensor(self, start: int, end: int) -> None:
        """TensorProto; its values are not looked at."""
        for number, wire, a, b in self.fields(start, end):
            location = number == 14 and (wire != VARINT or self.varint(a, b)[0] != 0)
            if number == 13 or location:
                raise self.refuse("takes weights from other files (external data)")
