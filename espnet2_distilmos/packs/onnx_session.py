"""An exported graph that is ready to run."""

import functools
import os
from typing import Any, List, Optional, Tuple

import numpy as np
import onnxruntime

from espnet2_distilmos.packs.onnx_weights import with_float_weights
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

INPUT = "speech"
OUTPUTS = ("mos", "frame_mos")
# Besides, of a model with further scales: (S,) and (T, S).
FURTHER = ("scores", "frame_scores")
_FLOATS = "tensor(float)"
# Bytes. A window of the largest upstreams takes a third; beyond is a graph that was
# made to bring the machine down.
_MOST_MEMORY = 8 << 30
# Name, type and number of dimensions.
_INPUTS = [(INPUT, _FLOATS, 1)]
_OUTPUTS = [(OUTPUTS[0], _FLOATS, 0), (OUTPUTS[1], _FLOATS, 1)]
_FURTHER = [(FURTHER[0], _FLOATS, 1), (FURTHER[1], _FLOATS, 2)]


class OnnxSession:
    """A graph of `distilmos export` in ONNX Runtime, on the CPU.

    Args:
        path: the file, which has been looked over
            (:func:`espnet2_distilmos.packs.onnx_scan.scan_onnx`).
        num_threads: None = OMP_NUM_THREADS, as for torch, or all cores.
        n_scales: further scales of the model.
        stored_weights: whether weights are in the file in fewer bits; they are float32
            in the session.

    Raises:
        UserError: ONNX Runtime refuses the file, or the graph has other inputs or
            outputs.
    """

    def __init__(
        self,
        path: PathLike,
        num_threads: Optional[int] = None,
        n_scales: int = 0,
        stored_weights: bool = False,
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or _threads_of_environment()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its errors are raised too
        # Every clip has another length, for which no plan of the memory is known.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.load_model_format", "ONNX")
        _bound_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        self.path = str(path)
        model = with_float_weights(path) if stored_weights else self.path
        try:
            self._session = onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                # It computes at once, with memory of its own. Nothing is lost: export
                # has done it already, and stored weights are floats by now.
                disabled_optimizers=["ConstantFolding"],
            )
        except Exception as e:  # ONNX Runtime has a class for every kind of failure
            raise UserError(
                f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it "
                f"({_brief(e)}); export the model again"
            ) from e
        if stored_weights:  # it keeps the bytes for providers that are not here
            self._session._model_bytes = None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._n_scales = n_scales
        self._outputs = [*OUTPUTS, *(FURTHER if n_scales else ())]
        wanted = _OUTPUTS + (_FURTHER if n_scales else [])
        if _shapes(inputs) != _INPUTS or _shapes(outputs) != wanted:
            raise UserError(
                f"{path}: its graph is not from waveform to score and frame scores"
            )

    def run(
        self, clip: np.ndarray
    ) -> Tuple[float, np.ndarray, Tuple[Tuple[float, np.ndarray], ...]]:
        """Map (N,) float32 samples at 16 kHz -> score, (T,) frame scores, and pairs.

        The pairs are such a score and frame scores for each further scale.

        Raises:
            UserError: the graph does not run, or gives other numbers of scales.
        """
        try:
            found = self._session.run(self._outputs, {INPUT: clip})
        except Exception as e:
            raise UserError(
                f"{self.path}: the graph fails on a clip of {len(clip)} samples "
                f"({_brief(e)})"
            ) from e
        mos, frame_mos = found[:2]
        if not self._n_scales:
            return float(mos), frame_mos, ()
        scores, frames = found[2:]
        if scores.shape != (self._n_scales,) or frames.shape[1:] != scores.shape:
            raise UserError(
                f"{self.path}: its graph has not the scales of its record; export the "
                "model again"
            )
        return float(mos), frame_mos, tuple(zip(scores.tolist(), frames.T))


@functools.cache  # there is one of the kind a process
def _bound_memory() -> None:
    """Make the memory that all graphs of this process share, up to its bound."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    # 1: as much as is asked for at a time, not the next power of two; -1: by default.
    arena = onnxruntime.OrtArenaCfg(_MOST_MEMORY, 1, -1, -1)
    onnxruntime.create_and_register_allocator(place, arena)


def _threads_of_environment() -> int:
    """Return OMP_NUM_THREADS; 0 = as ONNX Runtime likes, a thread a core."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() else 0


def _shapes(values: List[Any]) -> List[Tuple[str, str, int]]:
    return [(value.name, value.type, len(value.shape)) for value in values]


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
