"""Recipes of several trainings each, from the predictions of every training."""

import glob
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.report.scales import why_no_error
from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.metrics import (
    METRICS,
    MIN_SYSTEMS,
    group_by_system,
    system_means,
)
from espnet2_distilmos.scoring.score import to_array
from espnet2_distilmos.scoring.seeds import Difference, Figure, compare
from espnet2_distilmos.scoring.significance import holm
from espnet2_distilmos.utils.datadir import read_floats, read_words, require_same_ids
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.terminal import counted

SYSTEMS, PROMPTS = "utt2sys", "utt2prompt"


@dataclass(frozen=True)
class SeedSet:
    """A set of clips, and what every training of every recipe predicts for them.

    Attributes:
        ids: (N,) clips, sorted.
        labels: (N,).
        clusters: name of a file -> (N,) what each clip belongs to.
        systems: (N,), or None.
        folders: recipe -> folder of each training.
        predictions: recipe -> (S, N).
        no_error: recipe -> why its MSE means nothing; those that have one are absent.
    """

    ids: List[str]
    labels: np.ndarray
    clusters: Dict[str, List[str]]
    systems: Optional[List[str]]
    folders: Dict[str, List[Path]]
    predictions: Dict[str, np.ndarray]
    no_error: Dict[str, str]


@dataclass(frozen=True)
class Comparison:
    """All recipes by one metric at one level.

    Attributes:
        level: `utt` or `sys`.
        metric: a key of METRICS.
        figures: recipe -> its figure; None where the metric means nothing.
        differences: one a pair.
        p_holm: of each difference, corrected over all comparisons.
    """

    level: str
    metric: str
    figures: Dict[str, Optional[Figure]]
    differences: List[Difference]
    p_holm: List[Optional[float]]


def named_folders(models: Sequence[str]) -> Dict[str, List[Path]]:
    """Return recipe -> folders of its trainings, from `NAME=FOLDER,GLOB...`.

    Raises:
        UserError: no name, no folder, a name twice, or a folder twice in one recipe.
    """
    named: Dict[str, List[Path]] = {}
    for item in models:
        name, equals, rest = item.partition("=")
        if not equals or not name.strip() or name != name.strip() or not rest:
            raise UserError(f"{item}: write NAME=FOLDER,FOLDER... or NAME='GLOB'")
        if name in named:
            raise UserError(f"{item}: there is another {name}; give one another name")
        found = [f for part in rest.split(",") for f in _matching(part, item)]
        resolved = [f.resolve() for f in found]
        for folder, path in zip(found, resolved):
            if resolved.count(path) > 1:
                raise UserError(f"{item}: {folder} is named twice; each is one seed")
        named[name] = found
    return named


def _matching(part: str, item: str) -> List[Path]:
    """Return the folders that a name, or pattern, stands for."""
    if not part:
        raise UserError(f"{item}: an empty name between commas")
    if Path(part).is_dir():
        return [Path(part)]
    found = sorted(p for p in glob.glob(part, recursive=True) if Path(p).is_dir())
    if not found:
        raise UserError(f"{item}: no such folder: {part}; it holds utt2mos of a seed")
    return [Path(p) for p in found]


def read_set(
    data_dir: PathLike,
    models: Sequence[str],
    clusters: Optional[Sequence[str]] = None,
) -> SeedSet:
    """Read labels, clusters and the predictions of every training.

    Args:
        data_dir: with `utt2mos` and the files of the clusters.
        models: `NAME=FOLDER,GLOB...`; each folder has `utt2mos`.
        clusters: one or two files of `data_dir`, `ID CLUSTER`; None = `utt2sys`, and
            `utt2prompt` where there is one.

    Raises:
        UserError: a file that cannot be read, other clips in one of them, fewer than
            two clusters.
    """
    data_dir = Path(data_dir)
    if clusters is None:
        clusters = [SYSTEMS, *([PROMPTS] if (data_dir / PROMPTS).exists() else [])]
        if not (data_dir / SYSTEMS).exists():
            raise UserError(
                f"{data_dir}: has no {SYSTEMS}; --clusters names what is resampled, "
                "as utt2spk"
            )
    if not 1 <= len(clusters) <= 2 or len(set(clusters)) < len(clusters):
        raise UserError(f"--clusters {' '.join(clusters)}: one file, or two different")
    folders = named_folders(models)
    labels_file = data_dir / "utt2mos"
    labels = read_floats(labels_file)
    words = {name: read_words(data_dir / name) for name in clusters}
    if (data_dir / SYSTEMS).exists():
        words.setdefault(SYSTEMS, read_words(data_dir / SYSTEMS))
    for name, content in words.items():
        require_same_ids({str(labels_file): labels, str(data_dir / name): content})
    for name in clusters:
        n = len(set(words[name].values()))
        if n < 2:
            raise UserError(f"{data_dir / name}: all clips are in one cluster")
        if n < MIN_SYSTEMS:
            logging.warning(f"{data_dir / name}: intervals rest on {n} clusters only")
    ids = sorted(labels, key=str.encode)
    predictions, no_error = {}, {}
    for model, own in folders.items():
        rows = []
        for folder in own:
            file = folder / "utt2mos"
            values = read_floats(file)
            require_same_ids({str(labels_file): labels, str(file): values})
            rows.append(to_array(values, ids, str(file)))
            if why := _why_no_error(folder):
                no_error[model] = why
        predictions[model] = np.array(rows)
        if len(np.unique(predictions[model], axis=0)) < len(rows):
            logging.warning(f"{model}: two of its seeds predict the same")
    return SeedSet(
        ids,
        to_array(labels, ids, str(labels_file)),
        {name: [words[name][u] for u in ids] for name in clusters},
        [words[SYSTEMS][u] for u in ids] if SYSTEMS in words else None,
        folders,
        predictions,
        no_error,
    )


def _why_no_error(folder: Path) -> str:
    """Say why predictions have no MSE, as stage 6 has found (:mod:`.scales`)."""
    file = folder / "scores.json"
    if not file.is_file():
        return ""
    try:
        scores = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UserError(f"{file}: cannot be read ({e}); run stage 6 again") from e
    return why_no_error(scores) if isinstance(scores, dict) else ""


def pairs_of(names: Sequence[str], pairs: Optional[Sequence[str]]) -> List[Tuple]:
    """Return what is compared with what, from `A-B`.

    Args:
        names: of the recipes.
        pairs: None = every other one with the first.

    Raises:
        UserError: a pair of others, of one and the same, or twice.
    """
    if pairs is None:
        return [(name, names[0]) for name in names[1:]]
    found = []
    for pair in pairs:
        # Names may have dashes of their own.
        cuts = [i for i, c in enumerate(pair) if c == "-"]
        fits = [(pair[:i], pair[i + 1 :]) for i in cuts]
        fits = [(a, b) for a, b in fits if a in names and b in names and a != b]
        if len(fits) != 1:
            raise UserError(
                f"--pairs {pair}: two different models were expected, as A-B; there "
                f"are {', '.join(names)}"
            )
        if fits[0] in found:
            raise UserError(f"--pairs {pair}: named twice")
        found.append(fits[0])
    return found


def compare_seeds(
    data: SeedSet,
    metrics: Sequence[str] = ("srcc",),
    pairs: Sequence[Tuple[str, str]] = (),
    paired_seeds: bool = False,
) -> List[Comparison]:
    """Return figures and tests, by utterance and, from 10 systems on, by system.

    By utterance what is resampled are the clusters; by system, whose scores are the
    means of their clips, the systems.

    Args:
        data: the set.
        metrics: keys of METRICS.
        pairs: (a, b): a - b is tested; Holm's correction runs over all of them.
        paired_seeds: see :func:`~espnet2_distilmos.scoring.seeds.difference`.

    Raises:
        UserError: an unknown metric, or paired seeds of different numbers.
    """
    for metric in metrics:
        if metric not in METRICS:
            raise UserError(f"no figure {metric!r}; there are {', '.join(METRICS)}")
    for a, b in pairs if paired_seeds else ():
        n, m = (len(data.folders[x]) for x in (a, b))
        if n != m:
            raise UserError(
                f"{a} has {counted(n, 'seed')} and {b} {m}: these cannot be paired"
            )
    levels = {"utt": _by_utterance(data)}
    if (by_system := _by_system(data)) is not None:
        levels["sys"] = by_system
    found = []
    for level, (clusters, names, predictions) in levels.items():
        for metric in metrics:
            without = data.no_error if metric == "mse" else {}
            own = {m: p for m, p in predictions.items() if m not in without}
            asked = [(a, b) for a, b in pairs if a in own and b in own]
            figures, tests = compare(clusters, names, own, metric, asked, paired_seeds)
            every = {m: figures.get(m) for m in predictions}
            found.append(Comparison(level, metric, every, tests, []))
    return _corrected(found)


_Level = Tuple[Clusters, List[str], Mapping[str, np.ndarray]]


def _by_utterance(data: SeedSet) -> _Level:
    clusters = Clusters(data.labels, [*data.clusters.values()])
    return clusters, [*data.clusters], data.predictions


def _by_system(data: SeedSet) -> Optional[_Level]:
    """Return the means of each system as clips; None of fewer than 10 systems."""
    groups = group_by_system(data.systems or [])
    if len(groups) < MIN_SYSTEMS:
        return None
    predictions = {
        m: np.array([system_means(row, groups) for row in rows])
        for m, rows in data.predictions.items()
    }
    clusters = Clusters(system_means(data.labels, groups), [[*groups]])
    return clusters, [SYSTEMS], predictions


def _corrected(found: Sequence[Comparison]) -> List[Comparison]:
    """Return the same with Holm's correction over all tests."""
    p = holm([d.p for d in chain.from_iterable(c.differences for c in found)])
    corrected = []
    for c in found:
        own, p = p[: len(c.differences)], p[len(c.differences) :]
        corrected.append(Comparison(**{**vars(c), "p_holm": own}))
    return corrected
