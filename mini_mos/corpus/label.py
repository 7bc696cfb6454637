"""Labels: wideband PESQ, an objective measure, not the opinion of listeners."""

import numpy as np
import pesq

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.signal import Unusable

LABEL_NAME = "PESQ MOS-LQO, objective"
LABEL_NOTE = (
    "objective, not human ratings: wideband PESQ MOS-LQO (ITU-T P.862.2) against the "
    "clean original"
)


def pesq_mos(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Return MOS-LQO of `degraded` against `reference` (ITU-T P.862.2, wideband).

    Args:
        reference: clean clip (T,), 16 kHz.
        degraded: the same after degradation (T,), without a codec's delay (see
            :func:`~mini_mos.corpus.signal.align`).

    Returns:
        MOS-LQO, about 1.02 to 4.64. Levels are equalised by the measure itself.

    Raises:
        Unusable: PESQ finds no speech, or its own alignment fails.
    """
    if not (reference.any() and degraded.any()):
        raise Unusable("PESQ: the clip is silent")
    try:
        value = float(pesq.pesq(SAMPLE_RATE, reference, degraded, "wb"))
    except (pesq.PesqError, ValueError) as e:
        text = e.args[0] if e.args else e
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        raise Unusable(f"PESQ: {text or type(e).__name__}") from e
    if not np.isfinite(value):
        raise Unusable(f"PESQ: result {value}")
    return value
