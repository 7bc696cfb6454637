"""MUSHRA ratings of speech codecs, most of them neural (Stahl et al. 2024)."""

import json
from typing import List, Tuple

from espnet2_distilmos.corpora.checks import Entry, Finding, clean_id, unlabelled
from espnet2_distilmos.corpora.ratings import Ratings, gather_ratings, mean_of
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

TABLE = "ratings_formated.csv"
# ITU-R BS.1534: not an opinion of 1 to 5.
SCALE = (0.0, 100.0)
# Ours, since none is published: by condition. Of the codecs with several bit rates each
# set has some; AudioDec is heard in `test` alone.
SPLIT = {
    "train": ("Lyra_3", "Proposed_1.38_16kHz", "Proposed_5.51", "Reference"),
    "valid": ("Lyra_6", "Proposed_1.38"),
    "test": ("Proposed_5.51_16kHz", "AudioDec"),
}
PUBLISHED = Published(
    clips={"all": 128, "train": 64, "valid": 32, "test": 32},
    systems={"all": 8, "train": 4, "valid": 2, "test": 2},
)
NO_AUDIO = "anchor, rated but published without audio"


def read_codec_mushra(corpus_dir: PathLike, listeners: bool = False) -> Listing:
    """Read the set all, and train, valid and test made of it.

    On disk, in a checkout of the repository BenjSta/bernoulli-var-speech-codec::

        mushra_results_dataset/
            ratings_formated.csv    signal,condition,ratings,participant_ids,file
                                    VCTK_p229_293,Lyra 3,"[14.0, 44.0]","[2, 3]",
                                    stim_01/lyra_32.wav; a line a clip
            audio/stim_01/lyra_32.wav    24 kHz, two equal channels

    IDs are `stim_01-lyra_32`, systems the conditions with underscores for spaces
    (`Lyra_3`), speakers the talkers (`VCTK_p229`, `TSP_FB`). The label is the mean of
    the ratings, 0 to 100. The hidden reference is a condition like the others. Lines
    of the anchor name no file: they are listed.

    Args:
        corpus_dir: the checkout, or the folder with the table.
        listeners: write `utt2ratings` too (:mod:`espnet2_distilmos.corpora.ratings`).

    Raises:
        UserError: what the corpus lacks.
    """
    folder = find_folder(corpus_dir, (".", "mushra_results_dataset"), TABLE)
    table, audio = folder / TABLE, folder / "audio"
    listing = Listing(PUBLISHED, tables=[table], splits=SPLIT, scale=SCALE)
    entries: List[Entry] = []
    ratings: Ratings = {}
    needed = ("signal", "condition", "ratings", "participant_ids", "file")
    for where, row in read_table(table, needed=needed):
        condition = clean_id(row["condition"])
        if not row["file"]:
            item = clean_id(f"{row['signal']}-{condition}")
            anchor = condition.lower() == "anchor"
            kind = NO_AUDIO if anchor else "no audio file is named"
            listing.findings.append(Finding("-", item, kind, where, known=anchor))
            continue
        name = row["file"].removesuffix(".wav")
        utt = clean_id(name.replace("/", "-"))
        rows = _pairs(where, utt, row["ratings"], row["participant_ids"], listing)
        own = gather_ratings(rows, SCALE, "all", listing.findings).get(utt, {})
        # A clip that is there twice is for the checks, which see all labels.
        ratings.setdefault(utt, own)
        entries.append(
            Entry(
                utt=utt,
                wav=audio / f"{name}.wav",
                mos=f"{mean_of(own):.6f}" if own else "",
                system=condition,
                where=where,
                speaker=_talker(row["signal"]),
            )
        )
    listing.sets["all"] = entries
    for stimulus in sorted({entry.wav.parent for entry in entries}):
        listing.findings += unlabelled(stimulus, entries)
    if listeners:
        listing.ratings["all"] = ratings
    return listing


def _talker(signal: str) -> str:
    """Return `VCTK_p229` of `VCTK_p229_293`, `TSP_FB` of `TSP_FB07_09`."""
    talker = clean_id(signal).rpartition("_")[0]
    # TSP numbers its lists of sentences behind the talker's letters.
    return talker.rstrip("0123456789") if talker.startswith("TSP_") else talker


def _pairs(
    where: str, utt: str, scores: str, listeners: str, listing: Listing
) -> List[Tuple[str, str, str, str]]:
    """Return FILE:LINE, clip, listener and score of each rating of a line."""
    try:
        lists = json.loads(scores), json.loads(listeners)
        if not all(isinstance(x, list) for x in lists):
            raise ValueError("a list in brackets was expected")
        if len(lists[0]) != len(lists[1]):
            raise ValueError(f"{len(lists[0])} ratings of {len(lists[1])} listeners")
    except (ValueError, RecursionError) as e:
        detail = f"{e}; {where}"
        listing.findings.append(Finding("all", utt, "ratings of no use", detail))
        return []
    return [(where, utt, str(who), str(score)) for score, who in zip(*lists)]
