"""Scoring speech with a trained model: without ESPnet, or even without torch."""

import math
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np

from espnet2_distilmos.inference.audio import Checks, from_array
from espnet2_distilmos.inference.backend import load_backend
from espnet2_distilmos.inference.crops import Crops, crops_for
from espnet2_distilmos.inference.files import Score, score_files
from espnet2_distilmos.inference.windows import OVERLAP, WINDOW, Windows
from espnet2_distilmos.packs.interval_record import bounds, half_width
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.extras import told_what_to_install
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.label_info import scale_words
from espnet2_distilmos.utils.terminal import counted
from espnet2_distilmos.utils.values import FIRST_SCALE

if TYPE_CHECKING:
    import torch


class DistilMOSInference:
    """Predict the MOS of speech.

    A clip's score is the same (1e-4 on a CPU) alone and in any batch. Attribute
    `labels` says what the model was trained to predict
    (:class:`espnet2_distilmos.utils.labels.Labels`); without a record it is false.
    `scales` names the further scales that it predicts beside the MOS.

    Args:
        train_config: `config.yaml` that training saved; None = beside `model_file`. An
            exported model has none.
        model_file: checkpoint (`valid.srcc.best.pth`, or `model.pth` of a packed
            model), or a file of `distilmos export`; None = the model that the package
            brings.
        device: `cpu`, `cuda`, `cuda:1`..., or `auto`: CUDA if there is any. An exported
            model runs on the CPU.
        batch_seconds: seconds of audio a batch, with padding; None = as suits the
            device. Has no influence on scores.
        batch_size: clips (windows) a batch, instead of `batch_seconds`.
        window_seconds: longer clips are scored in windows
            (:mod:`espnet2_distilmos.inference.windows`); None = always whole.
        corpus: of a model with corpus offsets: the training corpus on whose scale to
            score; None = their mean.
        num_threads: of an exported model; None = OMP_NUM_THREADS, or a thread a core.
        interval: of a model with intervals: their coverage, such as 0.9; None = none.
        crops: score so many crops of a longer clip, evenly spaced
            (:mod:`espnet2_distilmos.inference.crops`), and not all of it; None = all.
        crop_seconds: of a crop; None = as the model was trained on.

    Raises:
        UserError: a file cannot be read, the two do not belong together, there are no
            such corpus or intervals, crops that cannot be, or packages that it needs
            are not installed.

    Example:
        >>> model = DistilMOSInference("exp/x/config.yaml", "exp/x/valid.srcc.best.pth")
        >>> model(speech, fs=24000)["mos"]
    """

    def __init__(
        self,
        train_config: Optional[PathLike] = None,
        model_file: Optional[PathLike] = None,
        device: str = "cpu",
        batch_seconds: Optional[float] = None,
        window_seconds: Optional[float] = WINDOW,
        corpus: Optional[str] = None,
        batch_size: Optional[int] = None,
        num_threads: Optional[int] = None,
        interval: Optional[float] = None,
        crops: Optional[int] = None,
        crop_seconds: Optional[float] = None,
    ):
        if model_file is None:
            if train_config is not None:
                raise UserError(f"{train_config}: model_file is needed, too")
            from espnet2_distilmos.packs.locate import locate_model

            train_config, model_file = locate_model()
        self.model_file = str(model_file)
        with told_what_to_install():
            self.backend = load_backend(
                train_config, model_file, device, corpus, num_threads
            )
        self.device = self.backend.device
        self.labels = self.backend.labels
        self.scales = tuple(self.backend.scales)
        self.calibration = self.backend.calibration
        self.half_width = half_width(self.backend, interval, model_file, corpus)
        self.frame_shift = self.backend.frame_shift
        self.min_samples = self.backend.min_samples
        seconds = batch_seconds or self.backend.batch_seconds
        self.batch_samples = int(seconds * SAMPLE_RATE)
        self.batch_size = batch_size
        self.windows: Union[Windows, Crops] = Windows(
            unit=round(self.frame_shift * SAMPLE_RATE),
            size=int((window_seconds or 1e9) * SAMPLE_RATE),
            overlap=int(OVERLAP * SAMPLE_RATE),
        )
        if crops is not None or crop_seconds is not None:
            self.windows = crops_for(
                self.backend, self.windows, crops, crop_seconds, interval
            )

    @property
    def network(self) -> Any:
        """The network; an exported model has none (AttributeError)."""
        return self.backend.network  # type: ignore[attr-defined]

    @classmethod
    def from_pretrained(
        cls, model_tag: Optional[str] = None, **kwargs: Any
    ) -> "DistilMOSInference":
        """Load a packed model.

        Args:
            model_tag: ESPnet model zoo tag, Hub repository (`owner/name`), packed zip,
                folder with config.yaml, checkpoint, or file of `distilmos export`;
                None = the model that the package brings; `authors` = the weights that
                the method's authors released.
            kwargs: further arguments of the class.

        Raises:
            UserError: no such model, it cannot be downloaded, or it needs packages
                that this install has not.
        """
        from espnet2_distilmos.packs.locate import locate_model

        with told_what_to_install():
            train_config, model_file = locate_model(model_tag)
        return cls(train_config=train_config, model_file=model_file, **kwargs)

    def __call__(
        self, speech: Union[np.ndarray, "torch.Tensor"], fs: int = SAMPLE_RATE
    ) -> Dict[str, Any]:
        """Score one clip.

        Args:
            speech: (n,) or (channels, n) samples, floats in [-1, 1] or integers of
                full scale; channels are averaged.
            fs: their sampling rate in Hz; other rates than 16000 are resampled.

        Returns:
            `mos`: float, not clipped; `mos_low`, `mos_high` if `interval` was given;
            `frame_mos`: (T,) float32, NaN where `crops` have left a frame out;
            `frame_shift`: seconds between two of them;
            `warnings`: what is odd about the clip or its score, a list of texts. Of a
            model with further scales also `scores`: scale -> score, `MOS` first.

        Raises:
            UserError: no audio, or too short for the upstream's CNN.
        """
        return self.score_batch([speech], fs)[0]

    def score_batch(
        self,
        speeches: Sequence[Union[np.ndarray, "torch.Tensor"]],
        fs: Union[int, Sequence[int]] = SAMPLE_RATE,
    ) -> List[Dict[str, Any]]:
        """Score clips of any lengths; see :meth:`__call__`.

        Args:
            speeches: clips.
            fs: one sampling rate, or one a clip.

        Returns:
            One result a clip, in order.
        """
        rates = list(fs) if isinstance(fs, Sequence) else [fs] * len(speeches)
        if len(rates) != len(speeches):
            raise UserError(
                f"{len(rates)} sampling rates for {counted(len(speeches), 'clip')}"
            )
        checks = [Checks() for _ in speeches]
        clips = [from_array(*args) for args in zip(speeches, rates, checks)]
        scores = self.score_clips(clips)
        return [self.result(*pair) for pair in zip(scores, checks)]

    def score_files(
        self, paths: Iterable[PathLike], num_workers: int = 1
    ) -> Iterator[Dict[str, Any]]:
        """Score files of any number and length in bounded memory, in order.

        Args:
            paths: audio files of any format.
            num_workers: threads that read and resample.

        Yields:
            What :meth:`__call__` returns, with `file`, `seconds`, `rate` and
            `channels`. A file that cannot be scored does not stop the others: its
            result has `mos` None and `error`, a text.
        """
        return score_files(self, paths, num_workers)

    def score_clips(self, clips: Sequence[np.ndarray]) -> List[Score]:
        """Score (n,) float32 clips at 16 kHz: windows, then batches by length.

        Raises:
            UserError: a clip is too short.
        """
        for clip in clips:
            self.require_length(len(clip))
        windows = [list(self.windows.split([clip])) for clip in clips]
        flat = [piece for pieces in windows for _, piece in pieces]
        scores = iter(self._score_windows(flat))
        return [
            self.windows.join([(first, next(scores)) for first, _ in pieces])
            for pieces in windows
        ]

    def score_stream(self, blocks: Iterable[np.ndarray]) -> Score:
        """Score one clip that is too long to hold: (n,) blocks of it at 16 kHz."""
        scored: List[Tuple[int, Score]] = []
        waiting: List[Tuple[int, np.ndarray]] = []
        size = self.batch_size or max(self.batch_samples // self.windows.size, 1)

        def flush() -> None:
            scores = self._score_windows([piece for _, piece in waiting])
            scored.extend((w[0], score) for w, score in zip(waiting, scores))
            waiting.clear()

        for piece in self.windows.split(blocks):
            waiting.append(piece)
            if len(waiting) == size:
                flush()
        self.require_length(len(waiting[-1][1]) if waiting else self.min_samples)
        if waiting:
            flush()
        return self.windows.join(scored)

    def require_length(self, n_samples: int) -> None:
        """Refuse what is too short for the upstream's CNN."""
        if n_samples < self.min_samples:
            raise UserError(
                f"too short: {n_samples / SAMPLE_RATE:.4f} s; the upstream needs "
                f"{self.min_samples / SAMPLE_RATE:.4f} s for one frame"
            )

    def result(self, score: Score, checks: Checks) -> Dict[str, Any]:
        """Return what the public methods return.

        Raises:
            UserError: the score is not a finite number.
        """
        scores = dict(zip(self.scales, (value for value, _ in score.further)))
        if not all(map(math.isfinite, (score.mos, *scores.values()))):
            raise UserError(
                f"no finite score (peak of the samples: {checks.peak:.3g}; more than 1 "
                "is over full scale)"
            )
        warnings = checks.warnings()
        for name, value in {"": score.mos, **scores}.items():
            low, high = (self.labels.of_scale(name) if name else self.labels).scale
            if not low <= value <= high:
                what = f"{name} score" if name else "score"
                warnings.append(f"{what} outside {scale_words((low, high))}")
        return {
            "mos": score.mos,
            **bounds(score.mos, self.half_width),
            **({"scores": {FIRST_SCALE: score.mos, **scores}} if scores else {}),
            "frame_mos": score.frame_mos,
            "frame_shift": self.frame_shift,
            "warnings": warnings,
        }

    def _score_windows(self, windows: Sequence[np.ndarray]) -> List[Score]:
        # Longest first: similar lengths share a batch, and too little memory shows
        # at once.
        order = sorted(range(len(windows)), key=lambda i: -len(windows[i]))
        scores: Dict[int, Score] = {}
        while order:
            longest = len(windows[order[0]])
            count = self.batch_size or max(self.batch_samples // longest, 1)
            batch, order = order[:count], order[count:]
            for i, score in zip(batch, self._forward([windows[i] for i in batch])):
                scores[i] = score
        return [scores[i] for i in range(len(windows))]

    def _forward(self, clips: List[np.ndarray]) -> List[Score]:
        """Score a batch of windows."""
        return self.backend.score(clips)
