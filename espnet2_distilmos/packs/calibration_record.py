"""The record of a calibration: beside the checkpoint, and in a packed configuration."""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.labels import Labels

# Key of a packed model's configuration.
CALIBRATION = "calibration"


def record_of(model_file: PathLike) -> Path:
    """Return where the record of a calibrated checkpoint lies."""
    return Path(model_file).with_suffix(".yaml")


def read_calibration(
    config: Mapping[str, Any], model_file: PathLike
) -> Optional[Dict[str, Any]]:
    """Return the record of a checkpoint's calibration; None where it has none.

    Args:
        config: content of its config.yaml.
        model_file: the checkpoint.

    Raises:
        UserError: a record that is none.
    """
    found, where = config.get(CALIBRATION), "config.yaml"
    record = record_of(model_file)
    if found is None and record.is_file():
        found, where = read_yaml(record).get(CALIBRATION), str(record)
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("told"), str):
        raise UserError(f"{where}: {CALIBRATION} is no record of a calibration")
    return found


def labels_of(
    config: Mapping[str, Any], train_config: PathLike, model_file: PathLike
) -> Labels:
    """Return what a model predicts: what it was trained on, or on another scale.

    A calibration on labels of another scale has put the scores on that one.

    Args:
        config: content of its config.yaml.
        train_config: that file, for errors.
        model_file: the checkpoint.

    Raises:
        UserError: a record that is none.
    """
    labels = Labels.of_model(config, train_config)
    scale = (read_calibration(config, model_file) or {}).get("scale")
    if scale is None:
        return labels
    return Labels(tuple(info.on_scale(scale) for info in labels.infos))
