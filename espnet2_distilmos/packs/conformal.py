"""Intervals for a model that is trained: their record, made and measured."""

import dataclasses
from pathlib import Path
from typing import Dict, Optional, Tuple

from espnet2_distilmos.packs.about import interval_of, labels_of
from espnet2_distilmos.packs.embedded import DEFAULT
from espnet2_distilmos.packs.interval_record import (
    INTERVAL,
    MODEL_SHA256,
    IntervalRecord,
    record_file,
    widths_of,
)
from espnet2_distilmos.packs.locate import is_default, locate_model
from espnet2_distilmos.packs.onnx_file import write_record
from espnet2_distilmos.packs.onnx_record import read_record
from espnet2_distilmos.packs.onnx_scan import SUFFIX, is_onnx
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
from espnet2_distilmos.utils.label_info import scale_words
from espnet2_distilmos.utils.labels import Labels

# By so much of the scale a label may lie beyond its ends: scales are recorded rounded.
ROUNDING = 0.005


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
        model_file: checkpoint with config.yaml beside it, or exported model; `default`
            = the model that the package brings.
        ref_utt2mos: labels of clips that had no part in its training or choice.
        hyp_utt2mos: what this very model predicts for them.
        utt2sys: their systems, where the intervals shall hold for clips of new systems.
        data: what the clips are, in words; by default the folder of the labels.
        output: of an exported model: the file to write.
        out_of_fold: whether the predictions are those of a cross-validation's models
            instead, each for the fold that it was not trained on.

    Raises:
        UserError: files that do not belong together, labels on another scale than the
            scores, labels that are the predictions, or too few clips.
    """
    if is_default(model_file):
        model_file = locate_model(DEFAULT)[1]
    target = _target(model_file, output)
    require_output(target, model_file, ref_utt2mos, hyp_utt2mos, utt2sys)
    _require_scale(model_file, ref_utt2mos)
    ref, hyp, systems = _read(ref_utt2mos, hyp_utt2mos, utt2sys)
    names = (str(ref_utt2mos), str(hyp_utt2mos), str(utt2sys))
    found = half_widths(ref, hyp, systems, names)
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
    ref, hyp, systems = _read(ref_utt2mos, hyp_utt2mos, utt2sys)
    names = (str(ref_utt2mos), str(hyp_utt2mos), str(utt2sys))
    return covered(ref, hyp, half, systems, names), half


def _target(model_file: PathLike, output: Optional[PathLike]) -> PathLike:
    """Return the file to write for a model.

    Raises:
        UserError: no such model file, or an output that is none for it.
    """
    if not Path(model_file).is_file():
        raise UserError(
            f"{model_file}: no such file; a checkpoint, an exported model or "
            f"{DEFAULT} is needed"
        )
    if not is_onnx(model_file):
        beside = record_file(model_file)
        if output is not None:
            raise UserError(
                f"--output {output}: is for exported models ({SUFFIX}) alone; of the "
                f"checkpoint {model_file} the record is {beside}: leave --output out"
            )
        return beside
    if output is None:
        raise UserError(f"{model_file}: --output is needed, the .onnx file to write")
    if Path(output).suffix.lower() != SUFFIX:
        raise UserError(f"--output {output}: a name that ends with {SUFFIX} is needed")
    return output


def _read(
    ref_utt2mos: PathLike, hyp_utt2mos: PathLike, utt2sys: Optional[PathLike]
) -> Tuple[Dict[str, float], Dict[str, float], Optional[Dict[str, str]]]:
    """Return labels, predictions and systems.

    Raises:
        UserError: predictions that are the labels themselves: one file given twice.
    """
    ref, hyp = read_floats(ref_utt2mos), read_floats(hyp_utt2mos)
    if ref == hyp:
        raise UserError(
            f"{hyp_utt2mos}: has the very values of {ref_utt2mos}; predictions are "
            "needed there (distilmos score --format kaldi)"
        )
    return ref, hyp, None if utt2sys is None else read_words(utt2sys)


def _require_scale(model_file: PathLike, ref_utt2mos: PathLike) -> None:
    """Refuse labels on another scale than the scores.

    The scale of labels is that of the labels.yaml beside them, if there is one. The
    values themselves have to lie on it, or on the model's.
    """
    files = locate_model(str(model_file))
    predicted = labels_of(files)
    labels = Labels.beside(Path(ref_utt2mos).parent)
    scales = differing(predicted, labels)
    if scales is not None:
        low, high = scales["labels"]
        raise UserError(
            f"{ref_utt2mos}: labels from {low:g} to {high:g}, another scale than the "
            "scores; distilmos calibrate brings scores to theirs"
        )
    infos = [*predicted.infos, *labels.infos]
    if not predicted or any(info.scale is None for info in infos):
        return  # nothing is recorded that they could be held against
    known = [of.scale for of in (predicted, labels) if of]
    low, high = min(x for x, _ in known), max(x for _, x in known)
    room = ROUNDING * (high - low)
    for utt, label in read_floats(ref_utt2mos).items():
        if not low - room <= label <= high + room:
            raise UserError(
                f"{ref_utt2mos}: {utt} has the label {label:g}, and the model's scores "
                f"lie on a scale of {scale_words((low, high))}; distilmos calibrate "
                "brings scores to the labels' scale"
            )
