"""A model whose readout is the linear probe of human ratings, and how good it is.

Few ratings teach a linear probe of the frozen upstream more than they teach a network,
which has to forget for it. So the network stays as it is, trained on what no listener
has rated, and a share of the score is the probe's.
"""

import logging
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple

import numpy as np
import torch

from espnet2_distilmos.corpora.folds.deal import Clip, deal_folds
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.load import load_network, read_states
from espnet2_distilmos.scoring.ridge import Ridge, fit_ridge
from espnet2_distilmos.tokens.layer_statistics import statistics_file
from espnet2_distilmos.tokens.probe import keep_statistics
from espnet2_distilmos.tokens.probe_start import PREFIX, features_of, readout_states
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    read_yaml,
    sha256_file,
    write_yaml,
)
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import audio_request, is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted


def rate_model(
    train_config: PathLike,
    model_file: PathLike,
    data_dir: PathLike,
    features_dir: PathLike,
    output_dir: PathLike,
    weight: float,
    train_dirs: Sequence[PathLike] = (),
    n_folds: int = 6,
    seed: int = 0,
    n_jobs: int = 1,
) -> None:
    """Write the model, and what it predicts for the rated clips out of fold.

    Writes::

        <output_dir>/config.yaml, model.pth   the model, with the probe of all clips
        <output_dir>/fold<i>/                 the same with the probe of a fold's
                                              training part
        <output_dir>/out_of_fold/utt2mos      each clip by the model of the fold that
                                              tests it, none of whose systems it heard
        <output_dir>/out_of_fold/probe/utt2mos  likewise, of the probe alone
        <output_dir>/rated.yaml               what they are made of, last

    Args:
        train_config: config.yaml of a model with a readout.
        model_file: its checkpoint.
        data_dir: formatted set of rated clips, with systems; its labels have the scale
            of the model's.
        features_dir: where the statistics of the frozen upstream are kept.
        output_dir: folder to write.
        weight: share of the probe in the score.
        train_dirs: further formatted sets, whose clips every probe is fitted to as
            well, with labels on the same scale: kinds of speech that nobody has rated.
        n_folds: folds of whole systems.
        seed: of the folds.
        n_jobs: processes of the upstream; changes no result.

    Raises:
        UserError: a model without readout, or a set without labels or systems.
    """
    folder, output = Path(data_dir), Path(output_dir)
    sets = {path.name: path for path in (folder, *map(Path, train_dirs))}
    data = _load(folder)
    others = [_load(path) for path in sets.values() if path != folder]
    request = {
        "format": 1,
        "model": [sha256_file(train_config), sha256_file(model_file)],
        "sets": {
            name: [
                *(sha256_file(path / file) for file in ("utt2mos", "utt2sys")),
                audio_request(path),
            ]
            for name, path in sets.items()
        },
        "weight": weight,
        "folds": [n_folds, seed],
    }
    stamp = output / "rated.yaml"
    scored = output / "out_of_fold"
    if is_whole(stamp, request, lambda _: [output / "model.pth", scored / "utt2mos"]):
        return
    config, states = read_yaml(train_config), read_states(model_file)
    network = load_network(train_config, model_file)
    layers = list(network.predictor.readout_layers)
    if not layers:
        raise UserError(f"{model_file}: the model has no readout (predictor_conf)")
    conf = network.upstream.conf
    keep_statistics(sets, conf, features_dir, lambda: "cpu", None, n_jobs)
    features = {
        utt: row
        for (name, path), known in zip(sets.items(), (data, *others))
        for utt, row in zip(known.wavs, _features(Path(features_dir) / name, layers))
    }
    always = {u: (x, m, s) for d in others for u, (x, m, s) in _rows(d, features)}
    rated = dict(_rows(data, features))

    def fit(utts: Sequence[str]) -> Tuple[Ridge, float]:
        rows = [*(rated[u] for u in utts), *always.values()]
        x, mos, systems = zip(*rows)
        return fit_ridge(np.stack(x), mos, systems, seed), float(np.std(mos))

    config["predictor_conf"]["readout_weight"] = weight
    both = [Labels.beside(folder), Labels.of_model(config, train_config)]
    config["label_conf"] = Labels.join(both).as_list()
    clips = [Clip(u, mos, system) for u, (_, mos, system) in rated.items()]
    predicted: Dict[str, float] = {}
    by_probe: Dict[str, float] = {}
    for i, fold in enumerate(deal_folds(clips, n_folds, "system", seed), 1):
        tested = [clip.utt for clip in fold.test]
        ridge, deviation = fit([clip.utt for clip in (*fold.train, *fold.valid)])
        place = output / f"fold{i}"
        _write(place, config, states, readout_states(ridge, len(layers), deviation))
        engine = DistilMOSInference(place / "config.yaml", place / "model.pth")
        results = engine.score_files([data.wavs[utt] for utt in tested])
        predicted.update(zip(tested, (result["mos"] for result in results)))
        found = ridge.predict(np.stack([features[utt] for utt in tested]))
        by_probe.update(zip(tested, map(float, found)))
        logging.info(f"fold {i} of {n_folds}: {counted(len(tested), 'clip')} predicted")
    for place, scores in ((scored, predicted), (scored / "probe", by_probe)):
        write_lines(place / "utt2mos", {u: f"{scores[u]:.6f}" for u in data.wavs})
    ridge, deviation = fit(list(rated))
    _write(output, config, states, readout_states(ridge, len(layers), deviation))
    systems = sorted({system for _, _, system in rated.values()})
    write_stamp(stamp, request, n_clips=len(rated), systems=systems)


def _load(folder: Path) -> DataDir:
    data = DataDir.load(folder)
    if data.mos is None or data.systems is None:
        raise UserError(f"{folder}: utt2mos and utt2sys are needed")
    return data


def _features(folder: Path, layers: Sequence[int]) -> np.ndarray:
    known = read_yaml(folder / "statistics.yaml")["layers"]
    return np.asarray(features_of(statistics_file(folder), known, layers))


def _rows(
    data: DataDir, features: Mapping[str, np.ndarray]
) -> Iterator[Tuple[str, Tuple[np.ndarray, float, str]]]:
    """Yield each clip with what a probe is fitted to: features, label, system."""
    for utt in data.wavs:
        yield utt, (features[utt], (data.mos or {})[utt], (data.systems or {})[utt])


def _write(
    folder: Path,
    config: Dict[str, Any],
    states: Mapping[str, torch.Tensor],
    readout: Mapping[str, torch.Tensor],
) -> None:
    """Write a model with this probe in the place of its readout."""
    own = {name for name in states if name.startswith(PREFIX)}
    if own != set(readout):
        raise UserError(f"{folder}: the model's readout is not the linear probe")
    write_yaml(folder / "config.yaml", config)
    with atomic_path(folder / "model.pth") as tmp, open(tmp, "wb") as file:
        torch.save({**states, **readout}, file)
