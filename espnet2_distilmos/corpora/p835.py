"""The reference conditions of P.808's toolkit: an ITU-T P.835 test of noisy speech."""

import re

from espnet2_distilmos.corpora.checks import Entry, Finding, clean_id, unlabelled
from espnet2_distilmos.corpora.tables import Row, find_folder
from espnet2_distilmos.corpora.workbook import read_sheets
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

WORKBOOK = "CSP835_Ref_Conditions.xlsx"
# Our name of a set -> its sheet and its folder of audio.
PARTS = {
    "fullband": ("Fullband-results per file", "degraded_fullband_48KHz"),
    "wideband": ("16KHzWB-results per file", "degraded_WB_16KHz"),
}
# Ours, since none is published: by condition, in both bands alike. Each set has clips
# with much and with little noise, MNRU's and background's.
SPLIT = {
    "all": tuple(f"c{i}" for i in range(13)),
    "train": ("c0", "c1", "c3", "c6", "c8", "c10", "c12"),
    "valid": ("c2", "c9"),
    "test": ("c4", "c5", "c7", "c11"),
}
_CLIPS = {"fullband": 78, "wideband": 78, "all": 156}
_SYSTEMS = {"fullband": 13, "wideband": 13, "all": 13}
PUBLISHED = Published(
    clips={**_CLIPS, "train": 84, "valid": 24, "test": 48},
    systems={**_SYSTEMS, "train": 7, "valid": 2, "test": 4},
)
# Column -> name of the file beside utt2mos.
MORE = {"MOS_SIG": "sig", "MOS_BAK": "bak", "n votes": "votes"}
SCALES = {"SIG": "sig", "BAK": "bak"}


def read_p835(corpus_dir: PathLike) -> Listing:
    """Read the sets fullband and wideband, and all, train, valid and test made of them.

    On disk, in a checkout of the repository microsoft/P.808::

        p835_reference_conditions/
            CSP835_Ref_Conditions.xlsx    sheets "Fullband-results per file" and
                                          "16KHzWB-results per file"; first row
                                          file_url,short_file_name,condition_num,
                                          n votes,MOS_BAK,...,MOS_SIG,...,MOS_OVRL,...
            degraded_fullband_48KHz/c3_f1.wav   48 kHz; condition 3, first woman
            degraded_WB_16KHz/c3_f1.wav         16 kHz, but those of c0 48 kHz: they are
                                                the files of the other folder

    IDs are `<set>-c3_f1`. The system is the condition, `c3`, in both sets: the same
    noise and modulation, so neither set may teach what the other asks. The speaker is
    the talker, `f1`. The label is MOS_OVRL (overall quality); those of the signal and
    of the background, and the number of votes, are kept as `utt2sig`, `utt2bak` and
    `utt2votes`, the first two as scales in `utt2scores` too.

    Args:
        corpus_dir: the checkout, or the folder with the workbook.

    Raises:
        UserError: what the corpus lacks.
    """
    places = (".", "p835_reference_conditions")
    folder = find_folder(corpus_dir, places, WORKBOOK)
    path = folder / WORKBOOK
    listing = Listing(PUBLISHED, tables=[path], splits=SPLIT, scales=SCALES)
    needed = ("short_file_name", "condition_num", "MOS_OVRL", *MORE)
    tables = read_sheets(path, needed, [sheet for sheet, _ in PARTS.values()])
    for dset, (sheet, audio) in PARTS.items():
        if sheet not in tables:
            listing.absent[dset] = f"{path}, sheet {sheet!r}"
            continue
        listing.sets[dset] = []
        for row in tables[sheet]:
            _add(listing, dset, folder / audio, row)
        listing.findings += unlabelled(folder / audio, listing.sets[dset])
    return listing


def _add(listing: Listing, dset: str, audio, row: Row) -> None:
    where, fields = row
    name = fields["short_file_name"].removesuffix(".wav")
    # A sheet may hold the number as 3 or as 3.0.
    condition = clean_id(f"c{fields['condition_num'].removesuffix('.0')}")
    utt = clean_id(f"{dset}-{name}")
    said = re.match(r"(c\d+)_([fm]\d+)$", name)
    if said is not None and said.group(1) != condition:
        detail = f"condition_num says {condition}; {where}"
        listing.findings.append(
            Finding(dset, utt, "condition is not that of the name", detail)
        )
        return
    listing.sets[dset].append(
        Entry(
            utt=utt,
            wav=audio / f"{name}.wav",
            mos=fields["MOS_OVRL"],
            system=condition if fields["condition_num"] else "",
            where=where,
            more={file: fields[column] for column, file in MORE.items()},
            speaker="" if said is None else said.group(2),
        )
    )
