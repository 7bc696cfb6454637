"""The published corpora: a reader each, and one way from there to data directories."""

import inspect
from collections.abc import Callable
from typing import Any, Dict

from espnet2_distilmos.corpora.bc19 import read_bc19
from espnet2_distilmos.corpora.bvcc import read_bvcc
from espnet2_distilmos.corpora.codec_mushra import read_codec_mushra
from espnet2_distilmos.corpora.nisqa import read_nisqa
from espnet2_distilmos.corpora.p835 import read_p835
from espnet2_distilmos.corpora.singmos import read_singmos
from espnet2_distilmos.corpora.somos import read_somos
from espnet2_distilmos.corpora.tmhint_qi import read_tmhint_qi
from espnet2_distilmos.corpora.write import Listing, write_corpus
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Name, as that of the recipe's folder in egs2/ -> reader of the corpus' folder. Its
# further arguments are the corpus' options (bin/prepare_corpus.py).
READERS: Dict[str, Callable[..., Listing]] = {
    "bc19": read_bc19,
    "bvcc": read_bvcc,
    "codec_mushra": read_codec_mushra,
    "nisqa": read_nisqa,
    "p835": read_p835,
    "singmos": read_singmos,
    "somos": read_somos,
    "tmhint_qi": read_tmhint_qi,
}


def prepare_corpus(
    name: str,
    corpus_dir: PathLike,
    data_dir: PathLike,
    strict: bool = False,
    **options: Any,
) -> None:
    """Write the data directories of a published corpus (:func:`write_corpus`).

    Args:
        name: one of READERS.
        corpus_dir: folder of the corpus; the reader says how it looks.
        data_dir: parent of the data directories.
        strict: other counts than published are an error.
        options: of the reader; recorded in `corpus.yaml`.

    Raises:
        UserError: an option that the corpus does not have, what it lacks, or see
            :func:`write_corpus`.
    """
    signature = inspect.signature(READERS[name])
    for option in options:
        if option not in signature.parameters:
            raise UserError(f"--{option}: {name} has no such option; leave it out")
    given = signature.bind(str(corpus_dir), **options)
    given.apply_defaults()
    listing = READERS[name](*given.args, **given.kwargs)
    write_corpus(name, listing, data_dir, strict, **given.arguments)
