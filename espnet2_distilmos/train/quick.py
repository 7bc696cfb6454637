"""A first look at a training, without torch and ESPnet."""

from typing import Any, Mapping, Optional, Sequence

from espnet2_distilmos.train.identity import asked, quick_request
from espnet2_distilmos.train.record import whole
from espnet2_distilmos.utils.files import PathLike


def whole_at_a_glance(
    folder: PathLike,
    record: Mapping[str, Any],
    words: Sequence[str],
    gpu: bool,
    processes: int,
) -> Optional[str]:
    """Say that a training is whole, if that shows without parsing its options.

    Args:
        folder: of the experiment.
        record: its record.
        words: the command line of `distilmos_train`.
        gpu: whether GPUs are used.
        processes: that train together.

    Returns:
        One line; None where a closer look is needed.
    """
    request = record["request"]
    options = request.get("options") or {}
    now = {"device": "gpu" if gpu else "cpu", "processes": processes}
    if (
        record.get("asked") != asked(words)
        or any(options.get(key) != value for key, value in now.items())
        or any(request.get(k) != part for k, part in quick_request(words).items())
    ):
        return None
    # The same was asked for when the training ended: no further epoch is wanted.
    length = record.get("length") or {}
    return whole(folder, record, length.get("max_epoch") or 0, length.get("patience"))
