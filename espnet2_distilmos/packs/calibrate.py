"""A calibrated checkpoint: the same model with another output layer.

The score is a mean of frame values that are linear in the output layer, so an affine
map of the score is a change of that layer: whatever loads a checkpoint scores with it,
in `distilmos score` and in a packed model as in stage 6. What was done is recorded
beside the checkpoint, and in the configuration of a packed model.
"""

import dataclasses
from pathlib import Path
from typing import Any, Dict, Mapping

import torch

from espnet2_distilmos.packs.calibration_record import (
    CALIBRATION,
    read_calibration,
    record_of,
)
from espnet2_distilmos.packs.load import PREFIX, load_network, read_states
from espnet2_distilmos.report.scales import SCALES, differing
from espnet2_distilmos.scoring.calibration import fit_calibration
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    read_yaml,
    require_output,
    sha256_file,
)
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp


def calibrate_model(
    train_config: PathLike,
    model_file: PathLike,
    ref_utt2mos: PathLike,
    hyp_utt2mos: PathLike,
    output: PathLike,
) -> Dict[str, Any]:
    """Fit a calibration and write the calibrated checkpoint and its record.

    Where the fit is refused, the checkpoint scores as before, and the record says why.
    Where `labels.yaml` beside the labels has another scale than the model's record, the
    map that takes one scale's ends to the other's comes first: it is what the fit is
    drawn to, and then what a slope of 1 is.

    Args:
        train_config: config.yaml of the model.
        model_file: its checkpoint, not calibrated.
        ref_utt2mos: labels of the validation set, `ID MOS`.
        hyp_utt2mos: what this very checkpoint predicts for it.
        output: checkpoint to write.

    Returns:
        The record: `slope`, `intercept`, `n_utt`, `refused`, `told` (a sentence),
        `from` and `from_sha256`, of the checkpoint that it was made from; `scale`, of
        the scores, where that is another one now.

    Raises:
        UserError: files that do not belong together.
    """
    require_output(output, train_config, model_file, ref_utt2mos, hyp_utt2mos)
    inputs = (train_config, model_file, ref_utt2mos, hyp_utt2mos)
    request: Dict[str, Any] = {str(path): sha256_file(path) for path in inputs}
    scales = differing(
        Labels.of_model(read_yaml(train_config), train_config),
        Labels.beside(Path(ref_utt2mos).parent),
    )
    if scales is not None:
        request[SCALES] = scales
    record = record_of(output)
    if is_whole(record, request, lambda _: [output]):
        return read_yaml(record)[CALIBRATION]
    if read_calibration({}, model_file):
        raise UserError(f"{model_file}: is calibrated already; give the one it is of")
    names = (str(ref_utt2mos), str(hyp_utt2mos))
    found = fit_calibration(
        read_floats(ref_utt2mos), read_floats(hyp_utt2mos), names, scales
    )
    states = read_states(model_file)
    if not found.refused:
        network = load_network(train_config, model_file)
        network.predictor.rescale(found.slope, found.intercept)
        for key, value in network.state_dict().items():
            # A packed model's upstream has a file of its own.
            if PREFIX + key in states:
                states[PREFIX + key] = value
    with atomic_path(output) as tmp:
        torch.save(states, tmp)
    fit = dataclasses.asdict(found)
    del fit["towards"]  # the sentence has it
    content = {
        **fit,
        "told": found.sentence(),
        **({} if scales is None or found.refused else {"scale": scales["labels"]}),
        "from": checkpoint_name({}, model_file),
        "from_sha256": request[str(model_file)],
    }
    write_stamp(record, request, **{CALIBRATION: content})
    return content


def checkpoint_name(config: Mapping[str, Any], model_file: PathLike) -> str:
    """Return which epoch a checkpoint is, or of how many the mean, as a file name.

    Links are followed, as from `valid.srcc.best.pth` to `12epoch.pth`; so is a
    calibration, to what it was made from.

    Args:
        config: content of its config.yaml.
        model_file: the checkpoint.
    """
    found = read_calibration(config, model_file) or {}
    return str(found.get("from") or Path(model_file).resolve().name)


def require_current(record: Mapping[str, Any], model_file: PathLike) -> None:
    """Refuse a calibrated checkpoint beside which another has been trained since.

    Args:
        record: from :func:`read_calibration`.
        model_file: the calibrated checkpoint, `<name>.calibrated.pth`.

    Raises:
        UserError: `<name>.pth` is not what it was made from.
    """
    calibrated = Path(model_file)
    original = calibrated.with_name(calibrated.name.replace(".calibrated.", "."))
    if original == calibrated or not original.is_file():
        return
    if sha256_file(original) != record.get("from_sha256"):
        raise UserError(
            f"{model_file}: made from another {original.name} than is there now; run "
            "stage 6 with --calibrate true again"
        )
