"""What an exported model says of itself: the record in the metadata of its file."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Optional

from espnet2_distilmos.packs.interval_record import IntervalRecord, intervals_told
from espnet2_distilmos.packs.onnx_scan import scan_onnx
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import NOT_RECORDED, Labels
from espnet2_distilmos.utils.mapping import from_mapping, is_number
from espnet2_distilmos.utils.values import (
    crops_shown,
    scales_shown,
    to_scale_names,
)

KEY = "distilmos"  # of the file's metadata; the value is JSON
FORMAT = 1
FLOAT32, WEIGHTS8, INT8 = "float32", "weights8", "int8"
PRECISIONS = (FLOAT32, WEIGHTS8, INT8)


@dataclass(frozen=True)
class Difference:
    """By how much the scores of two graphs differ, on the same clips.

    Attributes:
        clips: how many.
        what: what they are, in words.
        mos: the largest difference of a clip's score (MOS units).
        mean_mos: its mean, without the sign.
        frame_mos: the largest difference of a frame's score.
    """

    clips: int
    what: str
    mos: float
    mean_mos: float
    frame_mos: float

    def __str__(self) -> str:
        return (
            f"scores differ by {self.mean_mos:.2g} in the mean and {self.mos:.2g} at "
            f"most, frame scores by {self.frame_mos:.2g} ({self.clips} {self.what})"
        )


# Name in the record -> how it is shown.
MEASURED = {
    "float32_from_torch": "float32, from PyTorch",
    "weights8_from_float32": "weights8, from float32",
    "int8_from_float32": "int8, from float32",
}


@dataclass(frozen=True)
class OnnxRecord:
    """The record of an exported model.

    Attributes:
        format: version of this record.
        precision: one of PRECISIONS.
        frame_shift: seconds between two frame scores.
        sampling_rate: of the graph's input, in Hz.
        min_samples: the fewest of which there is a frame.
        source: file's name -> SHA-256, of what it was exported from.
        crop_seconds: of the crops that it was trained on; 0 = on whole clips.
        labels: what it was trained to predict, as :class:`Labels` lists it.
        scales: names of further scales, in the order of the graph's outputs.
        upstream: what it stands on, in words.
        predictor: likewise.
        corpus_offsets: training corpus -> offset (MOS units) that is added for scores
            on its scale.
        calibration: a sentence; empty = none.
        interval: :class:`.interval_record.IntervalRecord`, as a mapping; empty = none.
        licence: of the model, as its packing recorded it; empty = not recorded.
        origin: where the model is from, likewise.
        measured: key of MEASURED -> :class:`Difference`, as a mapping.
        made_with: package -> version.
        graph_crc32: CRC-32 of all of the file but this record (`packs/onnx_file.py`);
            None = not recorded, as of files before it was.
    """

    precision: str
    frame_shift: float
    sampling_rate: int
    min_samples: int
    source: Dict[str, str]
    crop_seconds: float = 0.0
    labels: List[Dict[str, Any]] = field(default_factory=list)
    scales: List[str] = field(default_factory=list)
    upstream: str = ""
    predictor: str = ""
    corpus_offsets: Dict[str, float] = field(default_factory=dict)
    calibration: str = ""
    interval: Dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    origin: str = ""
    measured: Dict[str, Any] = field(default_factory=dict)
    made_with: Dict[str, str] = field(default_factory=dict)
    graph_crc32: Optional[int] = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise UserError(
                f"written by another version (format {self.format}, not {FORMAT}); "
                "export the model again"
            )
        if self.precision not in PRECISIONS:
            raise UserError(f"precision: {self.precision!r}")
        if self.sampling_rate != SAMPLE_RATE:
            raise UserError(f"sampling_rate: {self.sampling_rate}, not {SAMPLE_RATE}")
        samples = self.frame_shift * SAMPLE_RATE
        if not 1 <= samples <= SAMPLE_RATE or samples % 1:
            raise UserError(f"frame_shift: {self.frame_shift} s")
        if not 1 <= self.min_samples <= SAMPLE_RATE:
            raise UserError(f"min_samples: {self.min_samples}")
        if not self.crop_seconds <= 3600:
            raise UserError(f"crop_seconds: {self.crop_seconds}")
        for name, value in self.corpus_offsets.items():
            if not is_number(value) or not math.isfinite(value):
                raise UserError(f"corpus_offsets: {name} {value!r}")
        try:
            to_scale_names(self.scales)
        except (TypeError, ValueError) as e:
            raise UserError(f"scales: {e}") from e
        for texts in (self.source, self.made_with):
            if not all(isinstance(text, str) for text in texts.values()):
                raise UserError("source, made_with: texts were expected")

    @property
    def differences(self) -> Dict[str, Difference]:
        """What was measured, by how it is shown.

        Raises:
            UserError: a record of something else.
        """
        return {
            MEASURED.get(name, name): from_mapping(
                Difference, value, f"measured {name}"
            )
            for name, value in self.measured.items()
        }

    @property
    def intervals(self) -> Optional[IntervalRecord]:
        """Intervals of the scores; None = none were made.

        Raises:
            UserError: a record of something else.
        """
        if not self.interval:
            return None
        return from_mapping(IntervalRecord, self.interval, "interval")

    def to_text(self) -> str:
        """Return what stands in the file."""
        content = asdict(self)
        # As versions wrote it that knew of none of these.
        for name in ("scales", "crop_seconds"):
            if not content[name]:
                del content[name]
        if self.graph_crc32 is None:
            del content["graph_crc32"]
        return json.dumps(content, ensure_ascii=False, sort_keys=True)

    def offset(self, corpus: Optional[str]) -> float:
        """Return what to add to scores for the scale of a training corpus.

        Raises:
            UserError: no such corpus, or a model without corpus offsets.
        """
        if corpus is None:
            return 0.0
        if not self.corpus_offsets:
            raise UserError(
                f"corpus {corpus}: this model has no corpus offsets; leave the corpus "
                "out"
            )
        if corpus not in self.corpus_offsets:
            raise UserError(
                f"corpus {corpus}: the model was trained on "
                f"{', '.join(self.corpus_offsets)}"
            )
        return float(self.corpus_offsets[corpus])


def read_record(path: PathLike) -> OnnxRecord:
    """Look a file over and return its record.

    Raises:
        UserError: as :func:`scan_onnx`, or a model of something else.
    """
    text = scan_onnx(path).get(KEY)
    if text is None:
        raise UserError(
            f"{path}: an ONNX model of something else; distilmos export writes those "
            "that can be scored with"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path}: its record is no JSON; export it again") from e
    record = from_mapping(OnnxRecord, data, f"{path}: its record")
    try:
        Labels.from_list(record.labels, path)
        # Are refused here or nowhere.
        record.differences  # noqa: B018
        record.intervals  # noqa: B018
    except UserError as e:
        raise UserError(f"{path}: its record: {e}") from e
    return record


def describe_onnx(path: PathLike) -> Dict[str, str]:
    """Return name -> text, in the order to show; see :func:`describe_model`.

    Raises:
        UserError: see :func:`read_record`.
    """
    record = read_record(path)
    labels = Labels.from_list(record.labels, path)
    of_model = [record.licence] if record.licence else []
    of_data = [f"of the training data: {labels.licences}"] if labels.licences else []
    shown = {
        "model": str(path),
        "engine": f"ONNX Runtime, {record.precision}, on the CPU",
        "self-contained": "yes",
        "predictor": record.predictor or NOT_RECORDED,
        "upstream": record.upstream or NOT_RECORDED,
        "sampling rate": f"{SAMPLE_RATE} Hz (other rates are resampled)",
        "frame shift": f"{record.frame_shift:g} s",
        "calibration": record.calibration or "none",
        "intervals": intervals_told(record.intervals),
        "training corpus": labels.corpora or NOT_RECORDED,
        "labels": labels.what,
        "licence": "; ".join(of_model + of_data) or NOT_RECORDED,
        "source": record.origin or labels.sources or NOT_RECORDED,
    }
    if record.crop_seconds:
        shown["trained on"] = crops_shown(record.crop_seconds)
    if record.scales:
        shown["scales"] = scales_shown(record.scales)
    if record.corpus_offsets:
        listed = ", ".join(f"{k} {v:+.3f}" for k, v in record.corpus_offsets.items())
        shown["corpus offsets"] = f"{listed} (scored on their mean unless named)"
    for name, value in record.source.items():
        shown[f"exported from {name}"] = f"SHA-256 {value}"
    shown.update({name: str(value) for name, value in record.differences.items()})
    for package, version in record.made_with.items():
        shown[f"made with {package}"] = version
    return shown
