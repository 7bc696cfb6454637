"""Intervals for a model that is trained: their record, made and measured."""

import dataclasses
from pathlib import Path
from typing import Optional, Tuple

from espnet2_distilmos.packs.about import interval_of, labels_of
from espnet2_distilmos.packs.interval_record import (
    INTERVAL,
    MODEL_SHA256,
    IntervalRecord,
    record_file,
    widths_of,
)
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.onnx_record import read_record, write_record
from espnet2_distilmos.packs.onnx_scan import is_onnx
from espnet2_distilmos.report.scales import differing
from espnet2_distilmos.scoring.conformal import Covered, covered, half_widths
from espnet2_distilmos.utils.datadir import read_floats, read_words
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    require_output,
    sha256_file,
    write_yaml,
)
from espnet2_distilmos.utils.labels import Labels


def make_intervals(
    model_file: PathLike,
    ref_utt2mos: PathLike,
    hyp_utt2mos: PathLike,
    utt2sys: Optional[PathLike] = None,
    data: Optional[str] = None,
    output: Optional[PathLike] = None,
    out_of_fold: bool = False,
) -> IntervalRecord:
    """Make a model's intervals of clips with labels, and store them with it.

    The record of a checkpoint is `<name>.interval.yaml` beside it; that of an exported
    model is in the file, of which a copy is written.

    Args:
        model_file: checkpoint with config.yaml beside it, or exported model.
        ref_utt2mos: labels of clips that had no part in its training or choice.
        hyp_utt2mos: what this very model predicts for them.
        utt2sys: their systems, where the intervals shall hold for clips of new systems.
        data: what the clips are, in words; by default the folder of the labels.
        output: of an exported model: the file to write.
        out_of_fold: whether the predictions are those of a cross-validation's models
            instead, each for the fold that it was not trained on.

    Raises:
        UserError: files that do not belong together, labels on another scale than the
            scores, or too few clips.
    """
    if output is None and is_onnx(model_file):
        raise UserError(f"{model_file}: --output is needed, the .onnx file to write")
    if output is not None and not is_onnx(model_file):
        raise UserError(
            f"{output}: not written; the record of a checkpoint is {INTERVAL} beside it"
        )
    target = output or record_file(model_file)
    require_output(target, model_file, ref_utt2mos, hyp_utt2mos, utt2sys)
    _require_scale(model_file, ref_utt2mos)
    systems = None if utt2sys is None else read_words(utt2sys)
    ref = read_floats(ref_utt2mos)
    names = (str(ref_utt2mos), str(hyp_utt2mos), str(utt2sys))
    found = half_widths(ref, read_floats(hyp_utt2mos), systems, names)
    record = IntervalRecord(
        data=data or Path(ref_utt2mos).resolve().parent.name,
        n_utt=len(ref),
        half_widths=widths_of(found),
        n_systems=len(set(systems.values())) if systems else 0,
        out_of_fold=out_of_fold,
    )
    if is_onnx(model_file):
        whole = dataclasses.replace(
            read_record(model_file), interval=record.as_mapping()
        )
        write_record(model_file, whole, target)
    else:
        sha256 = sha256_file(model_file)
        write_yaml(target, {INTERVAL: record.as_mapping(), MODEL_SHA256: sha256})
    return record


def measure_coverage(
    model: Optional[str],
    coverage: float,
    ref_utt2mos: PathLike,
    hyp_utt2mos: PathLike,
    utt2sys: Optional[PathLike] = None,
) -> Tuple[Covered, float]:
    """Count how many labels a model's intervals hold.

    Args:
        model: see :func:`espnet2_distilmos.packs.locate.locate_model`.
        coverage: which of its intervals, a share such as 0.9.
        ref_utt2mos: labels, on the scale of the scores.
        hyp_utt2mos: what the model predicts.
        utt2sys: systems, for the mean over them.

    Returns:
        What was counted, and half the intervals' width (MOS units).

    Raises:
        UserError: a model without intervals, or files that do not belong together.
    """
    files = locate_model(model)
    record = interval_of(files)
    if record is None:
        raise UserError(
            f"{files[1]}: has no record of intervals; distilmos conformal makes one"
        )
    _require_scale(files[1], ref_utt2mos)
    half = record.half_width(coverage)
    found = covered(
        read_floats(ref_utt2mos),
        read_floats(hyp_utt2mos),
        half,
        None if utt2sys is None else read_words(utt2sys),
        (str(ref_utt2mos), str(hyp_utt2mos), str(utt2sys)),
    )
    return found, half


def _require_scale(model_file: PathLike, ref_utt2mos: PathLike) -> None:
    """Refuse labels on another scale than the scores, where both are recorded."""
    files = locate_model(str(model_file))
    predicted = labels_of(files)
    scales = differing(predicted, Labels.beside(Path(ref_utt2mos).parent))
    if scales is not None:
        low, high = scales["labels"]
        raise UserError(
            f"{ref_utt2mos}: labels from {low:g} to {high:g}, another scale than the "
            "scores; distilmos calibrate brings scores to theirs"
        )
