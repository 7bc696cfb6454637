"""SOMOS, the Samsung Open MOS dataset: neural TTS of one voice (LJ Speech)."""

from pathlib import Path

from espnet2_distilmos.corpora.checks import SCALE, Entry, clean_id, unlabelled
from espnet2_distilmos.corpora.ratings import gather_ratings
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

CLIPS = {"train": 14100, "valid": 3000, "test": 3000}
SUBSETS = ("clean", "full")


def published(subset: str) -> Published:
    """Return counts of the sets by the names they have for a subset."""
    return Published(clips={set_name(s, subset): n for s, n in CLIPS.items()})


def set_name(split: str, subset: str) -> str:
    """Return `test` of the clean subset, `test_full` of the full one."""
    return split if subset == "clean" else f"{split}_{subset}"


def read_somos(
    corpus_dir: PathLike, subset: str = "clean", listeners: bool = False
) -> Listing:
    """Read the sets train, valid and test, or train_full... of SOMOS.

    On disk, after `unzip somos.zip` and `unzip audios.zip` in it::

        audios/novel_2007_0098_015.wav                  24 kHz, 20,100 files
        training_files/split1/{clean,full}/
            train_mos_list.txt, valid_..., test_...     utteranceId,mean    (header)
            TRAINSET, VALIDSET, TESTSET                 systemId,utteranceId,choice,
                                                        listenerId          (header)

    IDs are the names without `.wav`. The system is the last field between underscores,
    000 to 200; 000 is natural speech. `clean` has the labels of trustworthy listeners
    only; it is what published comparisons use.

    Args:
        corpus_dir: folder that holds `audios` and `training_files`.
        subset: `clean` or `full`.
        listeners: write `utt2ratings` too (:mod:`espnet2_distilmos.corpora.ratings`).

    Raises:
        UserError: what the corpus lacks.
    """
    if subset not in SUBSETS:
        raise UserError(f"--subset {subset}: choose {' or '.join(SUBSETS)}")
    folder = find_folder(corpus_dir, (".", "somos"), f"training_files/split1/{subset}")
    wav_dir = folder / "audios"
    if not wav_dir.is_dir():
        zipped = folder / "audios.zip"
        remedy = (
            f"unzip {zipped}" if zipped.exists() else "unzip audios.zip of somos.zip"
        )
        raise UserError(f"{wav_dir}: no such folder; {remedy}")
    listing = Listing(published(subset))
    for split in CLIPS:
        _read_split(
            folder / "training_files/split1" / subset, wav_dir, split, subset,
            listeners, listing,
        )  # fmt: skip
    listing.findings += unlabelled(wav_dir, listing.entries())
    return listing


def _read_split(
    tables: Path, wav_dir: Path, split: str, subset: str, listeners: bool,
    listing: Listing,
) -> None:  # fmt: skip
    dset = set_name(split, subset)
    path = tables / f"{split}_mos_list.txt"
    if not path.is_file():
        listing.absent[dset] = str(path)
        return
    rows = read_table(path, needed=("utteranceId", "mean"))
    listing.tables.append(path)
    names = [row["utteranceId"].removesuffix(".wav") for _, row in rows]
    listing.sets[dset] = [
        Entry(
            utt=clean_id(name),
            wav=wav_dir / f"{name}.wav",
            mos=row["mean"],
            system=clean_id(name.rpartition("_")[2]),
            where=where,
        )
        for name, (where, row) in zip(names, rows)
    ]
    if listeners:
        path = tables / f"{split.upper()}SET"
        needed = ("utteranceId", "choice", "listenerId")
        found = (
            (
                where,
                clean_id(row["utteranceId"].removesuffix(".wav")),
                row["listenerId"],
                row["choice"],
            )
            for where, row in read_table(path, needed=needed)
        )
        listing.ratings[dset] = gather_ratings(found, SCALE, dset, listing.findings)
        listing.tables.append(path)
