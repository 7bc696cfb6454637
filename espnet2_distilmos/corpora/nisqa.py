"""The NISQA corpus: transmitted speech, with four dimensions of quality."""

import logging
from typing import List

from espnet2_distilmos.corpora.checks import Entry, clean_id, unlabelled
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

PARTS = {
    "train": ("NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE"),
    "valid": ("NISQA_VAL_SIM", "NISQA_VAL_LIVE"),
    "test_for": ("NISQA_TEST_FOR",),
    "test_p501": ("NISQA_TEST_P501",),
    "test_livetalk": ("NISQA_TEST_LIVETALK",),
}
PUBLISHED = Published(
    clips={
        "train": 11020,
        "valid": 2700,
        "test_for": 240,
        "test_p501": 240,
        "test_livetalk": 232,
    }
)
DIMENSIONS = ("noi", "col", "dis", "loud")
SCALES = {name.upper(): name for name in DIMENSIONS}


def read_nisqa(corpus_dir: PathLike) -> Listing:
    """Read the sets train, valid, test_for, test_p501 and test_livetalk.

    On disk, after `unzip NISQA_Corpus.zip`, for each of NISQA_{TRAIN,VAL}_{SIM,LIVE}
    and NISQA_TEST_{FOR,P501,LIVETALK}::

        <part>/<part>_file.csv     header db,con,file,...,filename_deg,...,mos,noi,col,
                                   dis,loud,...
        <part>/deg/<filename_deg>  48 kHz, degraded

    IDs are `<part>-<file>`, systems `<part>-<con>` (the condition), since files and
    conditions are numbered anew in each part. The dimensions noisiness, coloration,
    discontinuity and loudness are kept as `utt2noi`, `utt2col`, `utt2dis`, `utt2loud`,
    and as scales NOI, COL, DIS, LOUD in `utt2scores`.

    Args:
        corpus_dir: folder that holds the parts.

    Raises:
        UserError: what the corpus lacks.
    """
    parts = [part for of_set in PARTS.values() for part in of_set]
    places = [(root, part) for root in (".", "NISQA_Corpus") for part in parts]
    # Any part will do: many have only the test sets.
    folder = find_folder(corpus_dir, [f"{r}/{p}" for r, p in places], "deg").parent
    listing = Listing(PUBLISHED, scales=SCALES)
    for dset, of_set in PARTS.items():
        for part in of_set:
            path = folder / part / f"{part}_file.csv"
            if not path.is_file():
                if len(of_set) == 1:
                    listing.absent[dset] = str(path)
                else:
                    logging.warning(f"{path}: no such file; {dset} goes without")
                continue
            entries = _read_part(part, path)
            listing.tables.append(path)
            listing.sets.setdefault(dset, []).extend(entries)
            listing.findings += unlabelled(path.parent / "deg", entries)
        if dset not in listing.sets:
            listing.absent.setdefault(dset, f"{' or '.join(of_set)}")
    return listing


def _read_part(part: str, path) -> List[Entry]:
    entries = []
    rows = read_table(path, needed=("con", "filename_deg", "mos"))
    for where, row in rows:
        name = row["filename_deg"]
        con = clean_id(row["con"])
        entries.append(
            Entry(
                utt=clean_id(f"{part}-{name.removesuffix('.wav')}"),
                wav=path.parent / "deg" / name,
                mos=row["mos"],
                system=f"{part}-{con}" if con else "",
                where=where,
                more={d: row[d] for d in DIMENSIONS if d in row},
            )
        )
    return entries
