"""Labels of clips that no listener has rated: two measures of one thing, averaged."""

from collections.abc import Mapping
from typing import Any, Dict

import numpy as np

from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

PREDICTED = Labels(
    (
        LabelInfo(
            corpus="tiny_mos",
            kind="predicted",
            name="MOS",
            detail="Distill-MOS 0.9.1, averaged with PESQ (ITU-T P.862.2, on its "
            "scale) where a clean original exists",
            scale=(1.0, 5.0),
            licence="speech: CC BY-SA 3.0 (Asterisk prompts; Russian CC BY 3.0) and "
            "synthetic; Distill-MOS and Kokoro: MIT and Apache-2.0",
            source="Asterisk prompts of Debian, degraded; TTS engines of Debian; "
            "hibari-tts and Kokoro-82M",
        ),
    )
)
# A ranking is no rating: only its order counts.
ORDER = Labels(
    (
        LabelInfo(
            corpus="tiny_mos",
            kind="objective",
            name="known order",
            detail="rank of the condition, not a rating",
            scale=(1.0, 4.0),
        ),
    )
)


def pesq_map(pesq: np.ndarray, teacher: np.ndarray) -> Any:
    """Return the increasing map from PESQ to the teacher's scale that fits best.

    Args:
        pesq: labels of some clips (N,).
        teacher: the teacher's scores of the same (N,).

    Returns:
        A fitted isotonic regression; beyond what it has seen it is constant.
    """
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(increasing=True, out_of_bounds="clip").fit(pesq, teacher)


def blend(
    teacher: Mapping[str, float], pesq: Mapping[str, float], mapping: Any
) -> Dict[str, float]:
    """Return the label of every clip that the teacher has scored.

    The teacher was trained on what listeners said and hears no original; PESQ compares
    with the original and knows no listener. Their errors have little in common.

    Args:
        teacher: utterance -> score.
        pesq: utterance -> PESQ, of those that have an original.
        mapping: of :func:`pesq_map`.

    Returns:
        utterance -> the mean of both; the teacher's score alone where there is no PESQ;
        from 1 to 5, as labels are.
    """
    mapped = dict(zip(pesq, mapping.predict(np.array(list(pesq.values()))).tolist()))
    labels = {u: (s + mapped[u]) / 2 if u in mapped else s for u, s in teacher.items()}
    return {u: round(min(max(label, 1.0), 5.0), 6) for u, label in labels.items()}
