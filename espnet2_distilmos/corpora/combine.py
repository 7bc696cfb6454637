"""Joint training: sets of several corpora as one."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from espnet2_distilmos.report.scales import differing
from espnet2_distilmos.utils.datadir import DATA_FILES, DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, require_folder, sha256_file
from espnet2_distilmos.utils.label_info import LabelInfo, scale_words
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted


@dataclass(frozen=True)
class Part:
    """A set of one corpus.

    Attributes:
        corpus: name of the corpus.
        folder: the data directory.
        audio_root: where relative paths in its files start.
    """

    corpus: str
    folder: PathLike
    audio_root: PathLike = "."

    @property
    def name(self) -> str:
        """CORPUS/SET."""
        return f"{self.corpus}/{Path(self.folder).name}"


def combine_sets(parts: Sequence[Part], output_dir: PathLike) -> None:
    """Write one data directory out of sets of several corpora.

    The corpus' name goes before IDs of utterances, systems, speakers and listeners
    (`bvcc-sys64e2f`), so that they stay apart; `utt2corpus` says where a clip is from.
    Clips of a set without `utt2ratings` have none (`-`), those of one without
    `utt2scores` no further labels. Systems are kept only if all sets have them.
    `combined.yaml` records what was combined, `labels.yaml` what the labels of each
    corpus are. Paths are written relative to the current folder. It is told where the
    labels are on different scales.

    Args:
        parts: the sets.
        output_dir: folder to write.

    Raises:
        UserError: no such set, a set without labels, or an ID that occurs twice.
    """
    output_dir = Path(output_dir)
    require_folder(output_dir, *(part.folder for part in parts))
    request = {
        "sets": {
            part.name: {
                file: sha256_file(Path(part.folder, file))
                for file in DATA_FILES
                if Path(part.folder, file).exists()
            }
            for part in parts
        }
    }
    # No part of the request: words about the labels change no clip.
    labels = [_labels_of(part) for part in parts]
    Labels.join(labels).carry(output_dir)
    for part, other in zip(parts, labels):
        if differing(labels[0], other):
            first, second = (scale_words(x.scale) for x in (labels[0], other))
            logging.warning(
                f"{parts[0].name} and {part.name}: labels on scales of {first} and of "
                f"{second}; no model can be right on both"
            )
    names = ("wav.scp", "utt2mos", "utt2corpus")
    if is_whole(
        output_dir / "combined.yaml", request, lambda _: [output_dir / n for n in names]
    ):
        return
    loaded = [(part, DataDir.load(part.folder)) for part in parts]
    for part, data in loaded:
        if data.mos is None:
            raise UserError(f"{part.folder}: has no utt2mos; training needs labels")
    whole = _join(loaded)
    if whole.ratings is None:  # left by an earlier version of the set
        (output_dir / "utt2ratings").unlink(missing_ok=True)
    whole.save(output_dir)
    counts = {part.name: len(data.wavs) for part, data in loaded}
    write_stamp(output_dir / "combined.yaml", request, n_clips=counts)
    listed = ", ".join(f"{n} of {name}" for name, n in counts.items())
    logging.info(f"{output_dir}: {counted(len(whole.wavs), 'clip')}: {listed}")


def _labels_of(part: Part) -> Labels:
    """Return what the labels of a set are, or that nobody stated it."""
    return Labels.beside(part.folder) or Labels((LabelInfo(part.corpus),))


def _join(loaded: List[Tuple[Part, DataDir]]) -> DataDir:
    without = [str(part.folder) for part, data in loaded if data.systems is None]
    if without and len(without) < len(loaded):
        logging.warning(
            f"{', '.join(without)}: no utt2sys, so the joint set has no systems"
        )
    rated = any(data.ratings is not None for _, data in loaded)
    scaled = any(data.scores is not None for _, data in loaded)
    whole = DataDir(
        wavs={},
        mos={},
        systems=None if without else {},
        speakers={},
        corpora={},
        ratings={} if rated else None,
        scores={} if scaled else None,
    )
    for part, data in loaded:
        start = Path(os.path.relpath(part.audio_root))
        for old, path in data.wavs.items():
            utt = f"{part.corpus}-{old}"
            if utt in whole.wavs:
                raise UserError(
                    f"{part.folder}: clip {old} is in another of the sets too ({utt})"
                )
            # An absolute path stays as it is.
            whole.wavs[utt] = str(start / path)
            whole.mos[utt] = data.mos[old]
            speaker = old if data.speakers is None else data.speakers[old]
            whole.speakers[utt] = f"{part.corpus}-{speaker}"
            whole.corpora[utt] = part.corpus
            if whole.systems is not None:
                whole.systems[utt] = f"{part.corpus}-{data.systems[old]}"
            if scaled:
                whole.scores[utt] = data.scores[old] if data.scores else {}
            if rated:
                whole.ratings[utt] = [
                    (f"{part.corpus}-{who}", score)
                    for who, score in (data.ratings[old] if data.ratings else [])
                ]
    return whole
