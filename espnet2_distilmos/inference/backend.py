"""What computes scores: the network in torch, or an exported graph."""

from typing import Any, List, Optional, Protocol, Sequence

import numpy as np

from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.packs.interval_record import IntervalRecord
from espnet2_distilmos.packs.onnx_scan import is_onnx
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels


class Backend(Protocol):
    """A model that is loaded.

    Attributes:
        device: where it runs.
        labels: what it was trained to predict; false without a record.
        scales: names of the further scales that it predicts beside the MOS.
        calibration: a sentence on it, or None.
        frame_shift: seconds between two frame scores.
        min_samples: the fewest samples of which there is a frame.
        batch_seconds: of audio a batch, with padding, as suits the device.
        crop_seconds: of the crops that it was trained on; None = on whole clips.
    """

    device: Any
    labels: Labels
    scales: Sequence[str]
    calibration: Optional[str]
    frame_shift: float
    min_samples: int
    batch_seconds: float
    crop_seconds: Optional[float]

    @property
    def interval(self) -> Optional[IntervalRecord]:
        """The record of its intervals, or None."""

    def score(self, clips: Sequence[np.ndarray]) -> List[Score]:
        """Score a batch of (n,) float32 clips at 16 kHz, none longer than a window."""


def load_backend(
    train_config: Optional[PathLike],
    model_file: PathLike,
    device: str,
    corpus: Optional[str],
    num_threads: Optional[int],
) -> Backend:
    """Load a model; each kind imports what it needs, and nothing else."""
    if is_onnx(model_file):
        if train_config not in (None, model_file):
            raise UserError(f"{train_config}: {model_file} is whole without it")
        from espnet2_distilmos.inference.onnx_backend import OnnxBackend

        return OnnxBackend(model_file, device, corpus, num_threads)
    from espnet2_distilmos.inference.torch_backend import TorchBackend

    return TorchBackend(train_config, model_file, device, corpus)
