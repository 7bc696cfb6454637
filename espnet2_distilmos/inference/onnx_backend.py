"""Scores from an exported graph, without torch."""

from typing import List, Optional, Sequence

import numpy as np

from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.packs.onnx_file import require_undamaged
from espnet2_distilmos.packs.onnx_record import WEIGHTS8, read_record
from espnet2_distilmos.packs.onnx_session import OnnxSession
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels


class OnnxBackend:
    """A file of `distilmos export`; see :class:`.backend.Backend`.

    Args:
        path: the file.
        device: `cpu` or `auto`.
        corpus: see :class:`.torch_backend.TorchBackend`.
        num_threads: None = OMP_NUM_THREADS, or a thread a core.

    Raises:
        UserError: a file of something else, or one that is refused; no such corpus, or
            another device.
    """

    device = "cpu"
    # One clip a run: to the graph a batch is nothing but waiting.
    batch_seconds = 1.0

    def __init__(
        self,
        path: PathLike,
        device: str,
        corpus: Optional[str],
        num_threads: Optional[int] = None,
    ):
        if device not in ("auto", "cpu"):
            raise UserError(
                f"device {device!r}: an exported model is scored with on the CPU; on a "
                "GPU use the model that it was exported from"
            )
        record = read_record(path)
        require_undamaged(path, record)
        self.labels = Labels.from_list(record.labels, path)
        self.calibration = record.calibration or None
        self.scales: Sequence[str] = record.scales
        self.interval = record.intervals
        self.frame_shift = record.frame_shift
        self.min_samples = record.min_samples
        self.crop_seconds = record.crop_seconds or None
        self._offset = np.float32(record.offset(corpus))
        self._session = OnnxSession(
            path,
            num_threads,
            n_scales=len(record.scales),
            stored_weights=record.precision == WEIGHTS8,
        )

    def score(self, clips: Sequence[np.ndarray]) -> List[Score]:
        """Score clips, one by one."""
        scores = map(self._session.run, map(np.ascontiguousarray, clips))
        offset = self._offset  # of all frames, and so of their mean
        return [
            Score(float(mos + offset), frames + offset, further)
            for mos, frames, further in scores
        ]
