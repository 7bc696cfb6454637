"""The linear probe as a part of a model: the weights of its readout.

They are those of a ridge regression (:mod:`espnet2_distilmos.scoring.ridge`) of the
training labels on statistics of frozen layers, and nothing in the training moves them.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.readout import StatisticsReadout
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.scoring.ridge import Ridge, fit_ridge
from espnet2_distilmos.tokens.layout import statistics_file, statistics_request
from espnet2_distilmos.tokens.probe import ensure_digest, keep_statistics
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    read_yaml,
    require_folder,
    require_output,
    sha256_file,
)
from espnet2_distilmos.utils.scales import labels_on
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted

# Of the readout's weights in a training's checkpoint, so that ESPnet's --init_param
# takes the file as it is.
PREFIX = "network.predictor.readout."


def write_probe_start(
    data_dir: PathLike,
    conf: UpstreamConfig,
    output: PathLike,
    features_dir: PathLike,
    choose_device: Callable[[], str],
    batch_seconds: Optional[float] = None,
    n_jobs: int = 1,
    seed: int = 0,
    layers: Optional[Sequence[int]] = None,
    scales: Sequence[str] = (),
) -> None:
    """Write the weights, and beside them what they come from, unless they are current.

    The regression has one thread: no number of threads is in the weights.

    Args:
        data_dir: formatted training set, with labels.
        conf: the upstream.
        output: `probe.pth`; `probe.yaml` is written beside it.
        features_dir: folder in which the features are kept, as those of the probe's row
            (`<features_dir>/<set>/statistics.npy`, of all layers).
        choose_device: returns `cpu`, `cuda:1`...; called where it is needed.
        batch_seconds: of audio, with padding; None = as suits the device.
        n_jobs: on a CPU, processes of the upstream.
        seed: of the folds in which the strength is chosen.
        layers: whose features are taken, in this order; None = the upstream's `layers`.
        scales: further scales, for each of which a regression is fitted to the clips
            that have such a label.

    Raises:
        UserError: no labels, no clip with one on a further scale, no such upstream or
            layer, or audio that cannot be read.
    """
    folder, output = Path(data_dir), Path(output)
    labels = folder / "utt2mos"
    require_output(output, labels)
    require_folder(Path(features_dir) / folder.name, folder)
    if not labels.is_file():
        raise UserError(f"{labels}: no such file; the probe is fitted to labels")
    _require_several(labels, len(read_floats(labels)))
    ensure_digest(conf)
    systems = folder / "utt2sys"
    request = {
        # The number is raised when the same input gives other weights.
        "format": 1,
        "features": statistics_request(conf, folder),
        "layers": layers or conf.layers,
        "labels": sha256_file(labels),
        "systems": sha256_file(systems) if systems.is_file() else None,
        "seed": seed,
    }
    if scales:
        for scale, values in labels_on(folder / "utt2scores", scales).items():
            _require_several(folder / "utt2scores", len(values), f" on {scale}")
        request["scores"] = sha256_file(folder / "utt2scores")
        request["scales"] = list(scales)
    stamp = output.with_suffix(".yaml")
    if is_whole(stamp, request, lambda _: [output]):
        return
    keep_statistics(
        {folder.name: folder}, conf, features_dir, choose_device, batch_seconds, n_jobs
    )
    made = Path(features_dir) / folder.name
    found = read_yaml(made / "statistics.yaml")
    layers = layers or conf.layers or [x for x in found["layers"] if x > 0]
    features = features_of(statistics_file(made), found["layers"], layers)
    data = DataDir.load(folder)
    mos = list((data.mos or {}).values())
    groups = None if data.systems is None else list(data.systems.values())
    ridge = fit_ridge(features, mos, groups, seed)
    further = _fit_scales(features, data, scales, seed)
    with atomic_path(output) as tmp, open(tmp, "wb") as file:
        # An open file: given a name, torch would write it into the archive.
        std = float(np.std(mos))
        torch.save(readout_states(ridge, len(layers), std, further), file)
    write_stamp(
        stamp,
        request,
        fingerprint=found["fingerprint"],
        layers=list(layers),
        n_clips=len(mos),
        n_features=len(ridge.weights),
        strength=ridge.strength,
        held_out_mse=[round(error, 6) for error in ridge.errors],
        **({"scale_strengths": [r.strength for r, _ in further]} if scales else {}),
        sha256=sha256_file(output),
    )
    logging.info(
        f"{output}: linear probe of layers {', '.join(map(str, layers))}, "
        f"{counted(len(mos), 'clip')}, strength {ridge.strength:g}"
        + (f", held-out error {min(ridge.errors):.3f}" if ridge.errors else "")
    )


def _require_several(path: Path, n: int, where: str = "") -> None:
    """Refuse, before the upstream's pass, what no regression can be fitted to."""
    if n < 2:
        raise UserError(
            f"{path}: {counted(n, 'label')}{where}; the probe is fitted to several"
        )


def _fit_scales(
    features: np.ndarray, data: DataDir, scales: Sequence[str], seed: int
) -> List[Tuple[Ridge, float]]:
    """Return a regression and the labels' deviation for each further scale.

    There is a clip with a label on each.
    """
    found = []
    for scale in scales:
        labels = [x.get(scale) for x in (data.scores or {}).values()]
        rows = [i for i, label in enumerate(labels) if label is not None]
        values = [float(labels[i] or 0.0) for i in rows]
        systems = None if data.systems is None else list(data.systems.values())
        groups = None if systems is None else [systems[i] for i in rows]
        # Where every clip has a label, nothing is copied: they are mapped from a file.
        part = features if len(rows) == len(labels) else features[rows]
        found.append((fit_ridge(part, values, groups, seed), float(np.std(values))))
    return found


def features_of(
    path: PathLike, layers: Sequence[int], wanted: Sequence[int]
) -> np.ndarray:
    """Return the statistics (N, 2 L D) of some of the layers that a file holds.

    All of them are read as they are used; a part of them is held in memory.

    Args:
        path: `statistics.npy`.
        layers: those of the file.
        wanted: those to return, in this order.

    Raises:
        UserError: a layer that the upstream does not have.
    """
    missing = sorted(set(wanted) - set(layers))
    if missing:
        raise UserError(
            f"layers {missing} were asked of an upstream that has {list(layers)}; "
            "correct `layers` in its YAML or in upstream_conf of the training, or "
            "readout_layers in its predictor_conf"
        )
    array = read_array(path, mapped=True)
    if list(wanted) == list(layers):
        return array
    parts = array.reshape(len(array), 2, len(layers), -1)
    columns: List[int] = [list(layers).index(layer) for layer in wanted]
    return parts[:, :, columns].reshape(len(array), -1)


def readout_states(
    ridge: Ridge,
    n_layers: int,
    label_std: float,
    further: Sequence[Tuple[Ridge, float]] = (),
) -> Dict[str, torch.Tensor]:
    """Return the weights of a readout that says what the regression predicts.

    Args:
        ridge: of the features of the readout's layers.
        n_layers: their number.
        label_std: deviation of the training labels.
        further: regression and deviation of each further scale.
    """
    # Equal labels have no deviation, and need none.
    label_std = label_std or 1.0
    size = len(ridge.weights) // (2 * n_layers)
    readout = StatisticsReadout(
        n_layers, size, ridge.offset, label_std, n_scales=len(further)
    )
    # Features that are constant have weight zero.
    scale = np.where(np.isfinite(ridge.scale), ridge.scale, 1.0)

    def fill(tensor: torch.Tensor, values: Any) -> None:
        tensor.copy_(torch.from_numpy(values).view_as(tensor))

    with torch.no_grad():
        fill(readout.mean, ridge.mean)
        fill(readout.scale, scale)
        fill(readout.output.weight, ridge.weights * scale / label_std)
        for i, (of_scale, std) in enumerate(further):
            assert readout.further is not None  # there are scales
            std = std or 1.0
            fill(readout.further.weight[i], of_scale.weights * scale / std)
            # Features are those less the mean of all clips; its own were fewer.
            shift = (ridge.mean - of_scale.mean) @ of_scale.weights
            readout.scale_means[i] = of_scale.offset + shift
            readout.scale_stds[i] = std
    return {f"{PREFIX}{name}": value for name, value in readout.state_dict().items()}
