"""BC19: the Blizzard Challenge 2019, out-of-domain track of VoiceMOS 2022."""

from espnet2_distilmos.corpora.voicemos2022 import read_challenge
from espnet2_distilmos.corpora.write import Listing, Published
from espnet2_distilmos.utils.files import PathLike

# Of the training set by others who used it; of the validation set we found no figure.
PUBLISHED = Published(clips={"train": 136, "test": 540}, systems={"train": 21})


def read_bc19(corpus_dir: PathLike, listeners: bool = False) -> Listing:
    """Read the sets train, valid and test of BC19 (Mandarin).

    On disk, as BVCC::

        ood/DATA/  or  phase1-ood/DATA/
            wav/sysX-uttY.wav
            sets/{train,val,test}_mos_list.txt   sysX-uttY.wav,MOS      no header
            sets/{TRAINSET,DEVSET,TESTSET}       sysX,sysX-uttY,RATING,ignored,
                                                 {}_na_LISTENER_na_na_na_{EE,EP,ER}
            sets/unlabeled_mos_list.txt          sysX-uttY.wav

    Names stand with or without `.wav`. A set of which only the ratings are there gets
    their means as labels. Unlabelled clips are listed in `skipped.txt`.

    Args:
        corpus_dir: folder that holds `ood` or `phase1-ood`, or one of these, or DATA.
        listeners: write `utt2ratings` too (:mod:`espnet2_distilmos.corpora.ratings`).

    Raises:
        UserError: what the corpus lacks.
    """
    places = (".", "DATA", "ood/DATA", "phase1-ood/DATA")
    return read_challenge(corpus_dir, places, listeners, PUBLISHED)
