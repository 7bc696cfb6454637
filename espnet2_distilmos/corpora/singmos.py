"""SingMOS as in track 2 of the VoiceMOS Challenge 2024: singing, not speech."""

import re

from espnet2_distilmos.corpora.checks import Entry, clean_id, unlabelled
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

TABLES = {
    "train": "train_mos_list.txt",
    "valid": "val_mos_list.txt",
    "test": "eval_mos_list.txt",
}
PUBLISHED = Published(clips={"train": 2000, "valid": 544, "test": 645})


def read_singmos(corpus_dir: PathLike) -> Listing:
    """Read the sets train, valid and test of SingMOS.

    On disk, after both archives (train phase, eval phase) are unpacked into one
    folder::

        DATA/wav/voicemos2024-track2-sys0001-utt0001.wav
        DATA/sets/train_mos_list.txt    voicemos2024-track2-sys0001-utt0001,4.0
        DATA/sets/val_mos_list.txt, DATA/sets/eval_mos_list.txt       no header

    IDs are the names; the system is the field `sys0001`.

    Args:
        corpus_dir: folder that holds `DATA`, or DATA itself.

    Raises:
        UserError: what the corpus lacks.
    """
    folder = find_folder(corpus_dir, (".", "DATA"), "sets")
    listing = Listing(PUBLISHED)
    for dset, table in TABLES.items():
        path = folder / "sets" / table
        if not path.is_file():
            listing.absent[dset] = str(path)
            continue
        listing.tables.append(path)
        listing.sets[dset] = [
            Entry(
                utt=clean_id(name),
                wav=folder / "wav" / f"{name}.wav",
                mos=row["mos"],
                system=next(iter(re.findall(r"(?:^|-)(sys\d+)(?:-|$)", name)), ""),
                where=where,
            )
            for where, row in read_table(path, ("name", "mos"))
            for name in [row["name"].removesuffix(".wav")]
        ]
    listing.findings += unlabelled(folder / "wav", listing.entries())
    return listing
