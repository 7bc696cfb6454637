"""The two tracks of the VoiceMOS Challenge 2022 (BVCC, BC19) share a layout."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Tuple

from espnet2_distilmos.corpora.checks import SCALE, Entry, clean_id, unlabelled
from espnet2_distilmos.corpora.ratings import Ratings, gather_ratings, mean_of
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Our name of a set -> names of its tables of labels and of ratings in `sets/`.
TABLES = {
    "train": ("train_mos_list.txt", "TRAINSET"),
    "valid": ("val_mos_list.txt", "DEVSET"),
    "test": ("test_mos_list.txt", "TESTSET"),
}
UNLABELLED = "unlabeled_mos_list.txt"


def _utt(name: str) -> str:
    return clean_id(name.removesuffix(".wav"))


def listener_id(text: str) -> str:
    """Return the listener of `{}_AGE_LISTENER_GENDER_x_x_IMPAIRED`, or nothing.

    The out-of-domain track writes `{}_na_LISTENER_na_na_na_TYPE`.
    """
    parts = text.split("_")
    return "_".join(parts[2:-4]) if len(parts) >= 7 else ""


def _read_ratings(path: Path, dset: str, listing: Listing) -> Ratings:
    columns = ("system", "utterance", "rating", "ignored", "listener")
    rows = (
        (where, _utt(row["utterance"]), listener_id(row["listener"]), row["rating"])
        for where, row in read_table(path, columns)
    )
    listing.tables.append(path)
    return gather_ratings(rows, SCALE, dset, listing.findings)


def read_challenge(
    corpus_dir: PathLike,
    candidates: Tuple[str, ...],
    listeners: bool,
    published: Published,
    known: Optional[Mapping[str, str]] = None,
) -> Listing:
    """Read `sets/` of a track; see :func:`.bvcc.read_bvcc` for its tables.

    A set without list of labels gets the means of its ratings as labels.

    Args:
        corpus_dir: folder of the corpus.
        candidates: where in it `DATA` may be.
        listeners: keep the ratings of single listeners.
        published: counts to compare with.
        known: ID -> reason, of clips to leave out.

    Raises:
        UserError: no `sets/`, no `wav/`, or tables that cannot be read.
    """
    folder = find_folder(corpus_dir, candidates, "sets")
    sets_dir, wav_dir = folder / "sets", folder / "wav"
    if not wav_dir.is_dir():
        raise UserError(
            f"{wav_dir}: no such folder; the archive holds only a part of the audio: "
            "run its scripts 01_get.py, 02_gather.py and 03_preprocess.py first"
        )
    logging.info(f"reading {folder}")
    listing = Listing(published, known=dict(known or {}))
    for dset, (labels, ratings) in TABLES.items():
        label_path, rating_path = sets_dir / labels, sets_dir / ratings
        by_listener: Ratings = {}
        if rating_path.is_file() and (listeners or not label_path.is_file()):
            by_listener = _read_ratings(rating_path, dset, listing)
        elif listeners and label_path.is_file():
            raise UserError(f"{rating_path}: no such file; --listeners true needs it")
        if label_path.is_file():
            rows = [
                (where, row["wav"], row["mos"])
                for where, row in read_table(label_path, ("wav", "mos"))
            ]
            listing.tables.append(label_path)
        elif by_listener:
            logging.info(f"{dset}: no {labels}; labels are the means of {ratings}")
            rows = [
                (str(rating_path), utt, f"{mean_of(own):.6f}")
                for utt, own in by_listener.items()
            ]
        else:
            listing.absent[dset] = str(label_path)
            continue
        listing.sets[dset] = [
            Entry(
                utt=_utt(name),
                wav=wav_dir / f"{name.removesuffix('.wav')}.wav",
                mos=mos,
                system=clean_id(name.split("-")[0]),
                where=where,
            )
            for where, name, mos in rows
        ]
        if listeners:
            listing.ratings[dset] = by_listener
    no_label = {}
    if (sets_dir / UNLABELLED).is_file():
        reason = f"unlabelled as published ({UNLABELLED})"
        for _, row in read_table(sets_dir / UNLABELLED, ("wav",)):
            no_label[f"{row['wav'].removesuffix('.wav')}.wav"] = reason
    listing.findings += unlabelled(wav_dir, listing.entries(), no_label)
    return listing
