"""What there is to find in frozen features: the same trees on several of them.

Where a fine-tuned model falls behind `spectral_statistics`, its upstream does not
hold what the simple measurements hold, or its training does not find it. Trees on mean
and deviation of the frozen layers tell the two apart, with no training of a network.
"""

from collections.abc import Mapping
from typing import Dict, Optional

import numpy as np
import torch

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.report.reference import fit_trees, read_features
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.utils.audio import read_16k
from espnet2_distilmos.utils.datadir import DataDir
from mini_mos.experiment.tables import SPECTRAL

BOTH = SPECTRAL + " and {}"


@torch.no_grad()
def layer_statistics(upstream, wavs: Mapping[str, str]) -> np.ndarray:
    """Return (len(wavs), 2 L D): mean and deviation over time of all layers."""
    rows = []
    for path in wavs.values():
        x = torch.from_numpy(read_16k(path))[None]
        states, _ = upstream(x, torch.tensor([x.shape[1]]))
        layers = torch.cat([state[0] for state in states], dim=1)  # (T, L D)
        spread = layers.std(0, unbiased=False)
        rows.append(torch.cat([layers.mean(0), spread]).numpy())
    return np.stack(rows)


def compare_features(
    upstreams: Mapping[str, UpstreamConfig],
    train: DataDir,
    tests: Mapping[str, DataDir],
    n_jobs: int = 2,
    seed: int = 0,
) -> Dict[str, Dict[str, Optional[float]]]:
    """Return features -> set -> utterance SRCC of trees on them.

    Args:
        upstreams: name -> a frozen upstream. The first one's layers are also joined
            with the spectral statistics.
        train: clips to fit the trees to; labels needed.
        tests: set -> clips to predict; labels needed.
        n_jobs: threads of the fit.
        seed: of the trees.
    """
    sets = {"": train, **tests}
    features = {SPECTRAL: {s: read_features(d.wavs) for s, d in sets.items()}}
    for name, conf in upstreams.items():
        upstream = build_upstream(conf).eval()
        features[name] = {
            s: layer_statistics(upstream, d.wavs) for s, d in sets.items()
        }
    first = next(iter(upstreams))
    features[BOTH.format(first)] = {
        s: np.hstack([features[SPECTRAL][s], features[first][s]]) for s in sets
    }
    found: Dict[str, Dict[str, Optional[float]]] = {}
    for name, of_set in features.items():
        model = fit_trees(of_set[""], list(train.mos.values()), n_jobs, seed)
        found[name] = {
            s: METRICS["srcc"](
                np.array(list(d.mos.values())), np.array(model.predict(of_set[s]))
            )
            for s, d in tests.items()
        }
    return found
