"""Predictions of the compared models as rows for the main job's table."""

from pathlib import Path
from typing import List

from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text
from mini_mos.experiment.collect import Scores
from mini_mos.experiment.plan import MAIN
from mini_mos.experiment.protocol import ALL, Protocol

PREFIX = "shipped_"
SPECTRAL = "spectral"  # the main job computes that row itself


def ship_rows(scores: Scores, protocol: Protocol, folder: PathLike) -> List[str]:
    """Write <row>/<set>/utt2mos and <row>/NOTE.txt for distilmos.sh --shipped_rows.

    A row is one training: the first seed, with all clips, as in the main job.

    Returns:
        Names of the rows.

    Raises:
        UserError: such a run is missing.
    """
    rows, seed = [], protocol.seeds[0]
    own = protocol.ablations["model"]
    for name, model in protocol.models.items():
        if name == own or model.kind == SPECTRAL:
            continue
        found = [
            run
            for run in scores["runs"]
            if (run["phase"], run["model"]) == (MAIN, name)
            and (run["size"], run["seed"]) == (ALL, seed)
        ]
        if not found:
            raise UserError(f"{name}: no final run with seed {seed} is there to ship")
        row = Path(folder) / (PREFIX + name)
        for test_set in protocol.test_sets:
            utts = scores["sets"][test_set]["utts"]
            predictions = found[0]["predictions"][test_set]
            values = map(float, predictions)
            write_lines(row / test_set / "utt2mos", dict(zip(utts, values)))
        write_text(
            row / "NOTE.txt",
            f"{model.about}; not trained here: one training of the experiment "
            f"(doc/experiment.md, seed {seed}), made where the experiment was; on a "
            "processor of another kind the same seed gives other figures\n",
        )
        rows.append(row.name)
    return rows
