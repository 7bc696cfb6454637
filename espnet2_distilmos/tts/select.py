"""Choosing a TTS checkpoint: score what each decoded, then compare."""

from collections.abc import Sequence
from typing import Any, Optional, Tuple

from espnet2_distilmos.tts.compare import Choice, choose, table
from espnet2_distilmos.tts.decoded import find_decoded, load_decoded
from espnet2_distilmos.tts.evaluate import Evaluator
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.terminal import counted


def select(
    paths: Sequence[PathLike],
    dset: Optional[str] = None,
    n_bootstrap: int = 10000,
    seed: int = 0,
    **model: Any,
) -> Tuple[str, Choice]:
    """Score decode folders that are not scored yet, and name the best.

    Args:
        paths: see :func:`espnet2_distilmos.tts.decoded.find_decoded`; `wav.scp` is
            looked for.
        dset: only decoded sets of this name.
        n_bootstrap: resamples of the intervals.
        seed: of the resamples.
        model: arguments of :class:`Evaluator`.

    Returns:
        The table as text, and the choice.

    Raises:
        UserError: fewer than two folders, several sets, or clips without a score.
    """
    lists = find_decoded(paths, "wav.scp")
    sets = {file: file.absolute().parent.parent.name for file in lists}
    if dset is not None:
        lists = [file for file in lists if sets[file] == dset]
    elif len({sets[file] for file in lists if file.parent.name == "wav"}) > 1:
        names = ", ".join(sorted(set(sets.values())))
        raise UserError(f"several decoded sets ({names}): choose one with --set")
    if len(lists) < 2:
        which = "" if dset is None else f" of {dset}"
        raise UserError(
            f"{counted(len(lists), 'decode folder')}{which} found; two or more are "
            "needed"
        )
    evaluator = Evaluator(**model)
    folders = load_decoded([evaluator(file) for file in lists])
    return table(folders), choose(folders, n_bootstrap, seed)
