"""Joint training: sets of several corpora as one."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from espnet2_distilmos.corpora.sets import NamedSet, find_set
from espnet2_distilmos.utils.datadir import DATA_FILES, DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp


def combine_sets(
    names: Sequence[str], output_dir: PathLike, recipe_dir: PathLike = "."
) -> None:
    """Write one data directory out of sets of several corpora.

    The corpus' name goes before IDs of utterances, systems, speakers and listeners
    (`bvcc-sys64e2f`), so that they stay apart; `utt2corpus` says where a clip is from.
    Clips of a set without `utt2ratings` have none (`-`). Systems are kept only if all
    sets have them. `combined.yaml` records what was combined, `labels.yaml` what the
    labels of each corpus are.

    Args:
        names: `SET` or `CORPUS/SET` (:func:`espnet2_distilmos.corpora.sets.find_set`).
        output_dir: folder to write.
        recipe_dir: the recipe's folder, where relative paths start.

    Raises:
        UserError: no such set, a set without labels, or an ID that occurs twice.
    """
    output_dir = Path(output_dir)
    sets = [find_set(name, recipe_dir) for name in names]
    for name, found in zip(names, sets):
        if os.path.abspath(found.folder) == os.path.abspath(output_dir):
            raise UserError(f"{name}: cannot be combined into itself")
    request = {
        "sets": {
            f"{found.corpus}/{found.set}": {
                file: sha256_file(found.folder / file)
                for file in DATA_FILES
                if (found.folder / file).exists()
            }
            for found in sets
        }
    }
    # No part of the request: words about the labels change no clip.
    Labels.join(map(_labels_of, sets)).carry(output_dir)
    names = ("wav.scp", "utt2mos", "utt2corpus")
    if is_whole(
        output_dir / "combined.yaml", request, lambda _: [output_dir / n for n in names]
    ):
        return
    loaded = [(found, DataDir.load(found.folder)) for found in sets]
    for found, data in loaded:
        if data.mos is None:
            raise UserError(f"{found.folder}: has no utt2mos; training needs labels")
    whole = _join(loaded, recipe_dir)
    if whole.ratings is None:  # left by an earlier version of the set
        (output_dir / "utt2ratings").unlink(missing_ok=True)
    whole.save(output_dir)
    counts = {f"{found.corpus}/{found.set}": len(data.wavs) for found, data in loaded}
    write_stamp(output_dir / "combined.yaml", request, n_clips=counts)
    listed = ", ".join(f"{n} of {name}" for name, n in counts.items())
    logging.info(f"{output_dir}: {len(whole.wavs)} clips: {listed}")


def _labels_of(found: NamedSet) -> Labels:
    """Return what the labels of a set are, or that nobody stated it."""
    return Labels.beside(found.folder) or Labels((LabelInfo(found.corpus),))


def _join(loaded: list[tuple[NamedSet, DataDir]], recipe_dir: PathLike) -> DataDir:
    without = [str(found.folder) for found, data in loaded if data.systems is None]
    if without and len(without) < len(loaded):
        logging.warning(
            f"{', '.join(without)}: no utt2sys, so the joint set has no systems"
        )
    rated = any(data.ratings is not None for _, data in loaded)
    whole = DataDir(
        wavs={},
        mos={},
        systems=None if without else {},
        speakers={},
        corpora={},
        ratings={} if rated else None,
    )
    for found, data in loaded:
        start = Path(os.path.relpath(found.recipe, recipe_dir))
        for old, path in data.wavs.items():
            utt = f"{found.corpus}-{old}"
            if utt in whole.wavs:
                raise UserError(
                    f"{found.folder}: clip {old} is in another of the sets too ({utt})"
                )
            # An absolute path stays as it is.
            whole.wavs[utt] = str(start / path)
            whole.mos[utt] = data.mos[old]
            speaker = old if data.speakers is None else data.speakers[old]
            whole.speakers[utt] = f"{found.corpus}-{speaker}"
            whole.corpora[utt] = found.corpus
            if whole.systems is not None:
                whole.systems[utt] = f"{found.corpus}-{data.systems[old]}"
            if rated:
                whole.ratings[utt] = [
                    (f"{found.corpus}-{who}", score)
                    for who, score in (data.ratings[old] if data.ratings else [])
                ]
    return whole
