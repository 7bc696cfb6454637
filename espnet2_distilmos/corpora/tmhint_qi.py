"""TMHINT-QI: noisy and enhanced Mandarin, rated for quality."""

import hashlib
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.corpora.checks import SCALE, Entry, Finding, clean_id, unlabelled
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.values import to_label

PUBLISHED = Published(clips={"train": 11644, "valid": 1293, "test": 1978})
VALID_SHARE = 0.1


def read_tmhint_qi(corpus_dir: PathLike, seed: int = 0) -> Listing:
    """Read the sets train, valid and test of TMHINT-QI.

    On disk, after `unzip TMHINTQI.zip`::

        raw_data.csv    header, with at least method,snr,noise,quality_score,file_name;
                        a line a rating, so several a clip; quality_score may be empty
        train/<file_name>.wav, test/<file_name>.wav

    A clip's label is the mean of its ratings, its system `<method>-SNR<snr>-<noise>`.
    There is no published validation set: a tenth of the training clips, drawn by the
    seed, is `valid`. (The 1293 clips that others drew are not known; figures on `valid`
    compare with nobody's.)

    Args:
        corpus_dir: folder that holds `raw_data.csv`, `train` and `test`.
        seed: another seed, another validation set.

    Raises:
        UserError: what the corpus lacks.
    """
    folder = find_folder(corpus_dir, (".", "TMHINTQI"), "raw_data.csv")
    # Some unpack only the audio into a folder of its own.
    audio = find_folder(folder, (".", "TMHINTQI"), "train")
    table = folder / "raw_data.csv"
    sets: Dict[str, List[Entry]] = {"train": [], "valid": [], "test": []}
    listing = Listing(PUBLISHED, sets, tables=[table])
    clips = _mean_ratings(table, listing.findings)
    in_train = {}
    for name, (where, system, mos) in clips.items():
        split = "train"
        if not (audio / "train" / f"{name}.wav").exists():
            split = "test" if (audio / "test" / f"{name}.wav").exists() else ""
        elif (audio / "test" / f"{name}.wav").exists():
            detail = f"test has it; {where}"
            listing.findings.append(Finding("train", name, "in two sets", detail))
            split = "test"
        if not split:
            # Only the folder tells the set.
            listing.findings.append(Finding("-", name, "no audio file", where))
            continue
        wav = audio / split / f"{name}.wav"
        entry = Entry(clean_id(name), wav, mos, system, where)
        if split == "train":
            in_train[name] = entry
        else:
            listing.sets["test"].append(entry)
    for dset, names in _draw_valid(list(in_train), seed).items():
        listing.sets[dset] = [in_train[name] for name in names]
    for split in ("train", "test"):
        listing.findings += unlabelled(audio / split, listing.entries())
    for dset in [s for s, entries in listing.sets.items() if not entries]:
        del listing.sets[dset]
        listing.absent[dset] = f"rated clip in {audio / dset}"
    return listing


def _mean_ratings(
    table: Path, findings: List[Finding]
) -> Dict[str, Tuple[str, str, str]]:
    """Return file name -> where it is first listed, system, mean rating as text."""
    needed = ("method", "snr", "noise", "quality_score", "file_name")
    first: Dict[str, Tuple[str, str]] = {}
    scores: Dict[str, List[float]] = {}
    for where, row in read_table(table, needed=needed):
        name = row["file_name"].removesuffix(".wav")
        system = clean_id(f"{row['method']}-SNR{row['snr']}-{row['noise']}")
        if first.setdefault(name, (where, system))[1] != system:
            detail = f"{first[name][1]} and {system}; {where}"
            findings.append(Finding("-", name, "rating of no use", detail))
            continue
        of_clip = scores.setdefault(name, [])
        try:
            if not row["quality_score"]:
                raise ValueError("empty")
            of_clip.append(to_label(row["quality_score"], SCALE))
        except ValueError as e:
            findings.append(Finding("-", name, "rating of no use", f"{e}; {where}"))
    return {
        name: (where, system, f"{sum(s) / len(s):.6f}" if (s := scores[name]) else "")
        for name, (where, system) in first.items()
    }


def _draw_valid(names: List[str], seed: int) -> Dict[str, List[str]]:
    """Return a tenth of the names for `valid`, chosen by their hashes alone."""

    def key(name: str) -> str:
        return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()

    shuffled = sorted(names, key=key)
    n_valid = int(len(names) * VALID_SHARE)
    return {"valid": shuffled[:n_valid], "train": shuffled[n_valid:]}
