"""Labels of clips that no listener has rated."""

from collections.abc import Mapping
from typing import Dict

import numpy as np

from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

PREDICTED = Labels(
    (
        LabelInfo(
            corpus="tiny_mos",
            kind="predicted",
            name="MOS",
            detail="PESQ (ITU-T P.862.2) where a clean original is, half-way to the "
            "scale of Distill-MOS 0.9.1; of synthetic speech Distill-MOS",
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


# The label of natural speech that nothing was done to: about what listeners give a
# hidden reference on a scale of 1 to 5.
TOP = 4.6


def blend(
    teacher: Mapping[str, float],
    pesq: Mapping[str, float],
    originals: Mapping[str, float],
) -> Dict[str, float]:
    """Return the label of every clip that the teacher has scored.

    Of a clip with an original PESQ decides, which hears the original too. It is far
    stricter with noise than listeners are, so it is brought half-way to the teacher's
    scale: averaged with the increasing map of it that fits best to how much worse than
    the original, counted from TOP, the teacher finds the clip. (How the prompts were
    recorded is no degradation.) The order stays PESQ's. Of synthetic speech there is
    the teacher's score alone.

    Args:
        teacher: utterance -> score.
        pesq: utterance -> PESQ, of those that have an original.
        originals: utterance -> the teacher's score of the original, of the same.

    Returns:
        utterance -> label from 1 to 5.
    """
    from sklearn.isotonic import IsotonicRegression

    known = np.array(list(pesq.values()))
    heard = np.array([TOP + teacher[u] - originals[u] for u in pesq])
    mapped = IsotonicRegression(increasing=True).fit_transform(known, heard)
    labels = {**teacher, **dict(zip(pesq, ((known + mapped) / 2).tolist()))}
    return {u: round(min(max(label, 1.0), 5.0), 6) for u, label in labels.items()}
