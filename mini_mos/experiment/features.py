"""What there is to find in frozen features: the same trees on several of them.

Where a fine-tuned model falls behind `spectral_statistics`, its upstream does not
hold what the simple measurements hold, or its training does not find it. Trees on mean
and deviation of the frozen layers tell the two apart, with no training of a network.
"""

from collections.abc import Mapping
from typing import Dict, Optional

import numpy as np

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.report.trees import fit_trees, read_features
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.tokens.layer_statistics import layer_statistics
from espnet2_distilmos.tokens.states import load_frozen
from espnet2_distilmos.utils.datadir import DataDir
from mini_mos.experiment.tables import SPECTRAL

BOTH = SPECTRAL + " and {}"


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
        upstream = load_frozen(conf, "cpu")
        features[name] = {
            s: np.stack([row for _, row in layer_statistics(upstream, d.wavs)])
            for s, d in sets.items()
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
