"""Ratings of listeners: the open corpora whose recipes stand beside this one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Dict, Tuple

from espnet2_distilmos.corpora.prepare import prepare_corpus
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.label_info import USUAL_SCALE, LabelInfo
from espnet2_distilmos.utils.labels import Labels

SET = "all"  # of both recipes: every clip


def to_usual_scale(mos: float, scale: Tuple[float, float]) -> float:
    """Return a label on the scale of 1 to 5: an affine map, ends onto ends."""
    (low, high), (first, last) = scale, USUAL_SCALE
    return round(first + (mos - low) * (last - first) / (high - low), 6)


def read_human(
    corpora: Mapping[str, Path], labels: Mapping[str, Path], folder: Path
) -> Tuple[DataDir, Labels]:
    """Read corpora of human ratings into one set on one scale.

    Args:
        corpora: name, a key of :data:`espnet2_distilmos.corpora.prepare.READERS` ->
            its folder.
        labels: name -> the `labels.yaml` of its recipe.
        folder: gets the data directories of each.

    Returns:
        The set, with IDs and systems that begin with the corpus' name, and what the
        labels are. A corpus of another scale is mapped to 1 to 5, ends onto ends,
        which its record says.

    Raises:
        UserError: what a corpus lacks.
    """
    merged = DataDir({}, {}, {}, {})
    assert merged.mos is not None and merged.systems is not None
    assert merged.speakers is not None
    infos = []
    for name, place in corpora.items():
        prepare_corpus(name, place, folder / name)
        own = DataDir.load(folder / name / SET)
        (info,) = Labels.read(labels[name]).infos
        scale = info.scale or USUAL_SCALE
        for utt, wav in own.wavs.items():
            new = f"{name}-{utt}"
            merged.wavs[new] = wav
            merged.mos[new] = to_usual_scale((own.mos or {})[utt], scale)
            merged.systems[new] = f"{name}-{(own.systems or {})[utt]}"
            merged.speakers[new] = f"{name}-{(own.speakers or {})[utt]}"
        infos.append(_on_usual_scale(info))
    order = sorted(merged.wavs, key=str.encode)
    return merged.subset(order), Labels(tuple(infos))


def _on_usual_scale(info: LabelInfo) -> LabelInfo:
    if info.scale in (None, USUAL_SCALE):
        return info
    low, high = info.scale
    said: Dict[str, object] = info.as_dict()
    said["detail"] = f"{info.detail}; mapped from {low:g}..{high:g} to 1..5"
    said["scale"] = list(USUAL_SCALE)
    return LabelInfo.from_dict(said, info.corpus)
