"""BVCC, the main track of the VoiceMOS Challenge 2022."""

from espnet2_distilmos.corpora.voicemos2022 import read_challenge
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

PUBLISHED = Published(
    clips={"train": 4974, "valid": 1066, "test": 1066},
    systems={"train": 175, "valid": 181, "test": 187},
)
# The corpus' own scripts put silence.wav in its place.
KNOWN = {"sys4bafa-uttc2e86f6": "known to be silent"}


def read_bvcc(corpus_dir: PathLike, listeners: bool = False) -> Listing:
    """Read the sets train, valid and test of BVCC.

    On disk, after the corpus' own scripts have gathered the Blizzard Challenge's audio
    (`main` is the newer release, `phase1-main` the older, without test set)::

        main/DATA/  or  phase1-main/DATA/
            wav/sysX-uttY.wav           16 kHz, levelled to -26 dB (sv56), 7106 files
            sets/train_mos_list.txt     sysX-uttY.wav,MOS      no header
            sets/val_mos_list.txt, sets/test_mos_list.txt
            sets/TRAINSET               sysX,sysX-uttY.wav,RATING,ignored,
                                        {}_AGE_LISTENER_GENDER_x_x_IMPAIRED
            sets/DEVSET, sets/TESTSET   8 ratings a clip, no header
            mydata_system.csv           not read: means over train and valid only, so
                                        wrong for the test set

    IDs are `sysX-uttY`, systems `sysX`. `sys4bafa-uttc2e86f6` (train) is silent: it is
    left out and listed.

    Args:
        corpus_dir: folder that holds `main` or `phase1-main`, or one of these, or DATA.
        listeners: write `utt2ratings` too (:mod:`espnet2_distilmos.corpora.ratings`).

    Raises:
        UserError: what the corpus lacks.
    """
    places = (".", "DATA", "main/DATA", "phase1-main/DATA")
    return read_challenge(corpus_dir, places, listeners, PUBLISHED, KNOWN)
