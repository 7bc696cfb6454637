"""Stage 4's look at the tokens of a set: training itself looks at none.

In a training step a look at values would make the processor wait for the GPU.
"""

from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from espnet2_distilmos.tokens.provenance import n_codebooks_of, read_provenance
from espnet2_distilmos.tokens.token_set import (
    FRAMES,
    STAMP,
    read_matrix,
    token_request,
)
from espnet2_distilmos.utils.datadir import read_floats, read_lines, require_same_ids
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.stamp import matches, write_stamp

CHECKED = "checked.yaml"  # beside the tokens
SHOWN = 5  # clips in a message


def check_tokens(tokens_scp: PathLike, data_dir: PathLike, digest: str) -> None:
    """Check all tokens of a set, and note beside them that it was done.

    Args:
        tokens_scp: of stage 3.
        data_dir: the formatted set that they were made from.
        digest: of the tokens' content, as a training's record has it.

    Raises:
        UserError: tokens that are not whole, or of other audio; or matrices that are no
            (T, L x C) whole numbers from 0 to k - 1 with the frames of their clips,
            with their number and the first of them.
    """
    scp = Path(tokens_scp)
    request = token_request(data_dir, scp.parent.parent)
    whole = matches(scp.parent / STAMP, request, lambda _: [scp.parent / FRAMES])
    if not whole:
        raise UserError(
            f"{scp}: not whole, or made from other audio than {data_dir} or other "
            "clusters than are there now; run stage 3 again"
        )
    stamp, request = scp.parent / CHECKED, {**request, "tokens": digest}
    if matches(stamp, request):
        return
    provenance = read_provenance(scp.parent.parent / "provenance.yaml")
    places, frames = read_lines(scp, str), read_floats(scp.parent / FRAMES)
    require_same_ids({str(scp): places, str(scp.parent / FRAMES): frames})
    shape = (len(provenance["layers"]), n_codebooks_of(provenance))
    wrong: Dict[str, str] = {}
    for utt, place in places.items():
        try:
            tokens = read_matrix(place)
            _require_tokens(tokens, int(frames[utt]), shape, provenance["n_clusters"])
        except UserError as e:
            wrong[utt] = str(e)
    if wrong:
        told = [f"{utt}: {reason}" for utt, reason in list(wrong.items())[:SHOWN]]
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(
            f"{scp}: tokens of {len(wrong)} of {len(places)} clips cannot be used "
            f"({'; '.join(told)}{more}); remove {scp.parent} and run stage 3 again"
        )
    write_stamp(stamp, request)


def _require_tokens(
    tokens: np.ndarray, n_frames: int, shape: Tuple[int, int], n_clusters: int
) -> None:
    """Raise UserError with what is wrong with the (T, M) tokens of a clip."""
    n_layers, n_codebooks = shape
    if tokens.shape[1] != n_layers * n_codebooks:
        raise UserError(
            f"{tokens.shape[1]} tokens a frame, not {n_layers} layers x {n_codebooks} "
            "codebooks"
        )
    if len(tokens) != n_frames:
        raise UserError(f"{len(tokens)} frames, but the upstream makes {n_frames}")
    if not np.isfinite(tokens).all() or (tokens != np.rint(tokens)).any():
        raise UserError("tokens that are no whole numbers")
    for token in (tokens.min(), tokens.max()):
        if not 0 <= token < n_clusters:
            raise UserError(
                f"token {token:.0f}, but they go from 0 to {n_clusters - 1}"
            )


def require_checked(tokens_scp: PathLike, digest: str) -> None:
    """Refuse tokens that stage 4 has not seen as they are now.

    Args:
        tokens_scp: of stage 3.
        digest: of their content, as for :func:`check_tokens`.

    Raises:
        UserError: they were never checked, or have changed since.
    """
    stamp = Path(tokens_scp).parent / CHECKED
    request = (read_yaml(stamp).get("request") or {}) if stamp.exists() else {}
    if request.get("tokens") != digest:
        how = "have changed since stage 4 checked them" if request else "are unchecked"
        raise UserError(
            f"{tokens_scp}: the tokens {how}; run stage 4 (collect_stats --tokens_scp)"
        )
