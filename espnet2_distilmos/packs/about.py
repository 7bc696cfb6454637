"""What outputs say of a model, of any kind, without loading it (or torch)."""

from typing import Dict, Optional

from espnet2_distilmos.packs import calibration_record
from espnet2_distilmos.packs.embedded import embedded_name
from espnet2_distilmos.packs.folder import Model
from espnet2_distilmos.packs.interval_record import IntervalRecord, read_interval
from espnet2_distilmos.packs.locate import is_default, locate_model
from espnet2_distilmos.packs.onnx_record import describe_onnx, read_record
from espnet2_distilmos.packs.onnx_scan import is_onnx
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.labels import Labels


def labels_of(model: Model) -> Labels:
    """Return what a model predicts, of any kind; false without a record.

    Args:
        model: as :func:`espnet2_distilmos.packs.locate.locate_model` returns it.

    Raises:
        UserError: files of something else.
    """
    if is_onnx(model[1]):
        return Labels.from_list(read_record(model[1]).labels, model[1])
    return calibration_record.labels_of(read_yaml(model[0]), *model)


def calibration_of(model: Model) -> str:
    """Return a sentence on a model's calibration; empty where it has none.

    Args:
        model: see :func:`labels_of`.

    Raises:
        UserError: files of something else.
    """
    if is_onnx(model[1]):
        return read_record(model[1]).calibration
    found = calibration_record.read_calibration(read_yaml(model[0]), model[1])
    return "" if found is None else str(found["told"])


def interval_of(model: Model) -> Optional[IntervalRecord]:
    """Return the record of a model's intervals; None where it has none.

    Args:
        model: see :func:`labels_of`.

    Raises:
        UserError: files of something else.
    """
    if is_onnx(model[1]):
        return read_record(model[1]).intervals
    return read_interval(read_yaml(model[0]), model[1])


def describe(tag: Optional[str] = None) -> Dict[str, str]:
    """Return name -> text of any model, in the order to show.

    Args:
        tag: see :func:`espnet2_distilmos.packs.locate.locate_model`.

    Raises:
        UserError: no such model.
    """
    if is_default(tag):
        model = locate_model(tag)
        shown = describe_onnx(model[1])
        return {**shown, "model": f"{embedded_name()} ({model[1]})"}
    if is_onnx(tag):
        return describe_onnx(str(tag))
    # Reads the weights, with torch.
    from espnet2_distilmos.packs.describe import describe_model

    return describe_model(tag)
