"""MOS predicted by DistilMOS (https://arxiv.org/abs/2601.13700), without a reference.

The metric is a part of the package espnet2-distilmos; here VERSA finds it.
"""

from espnet2_distilmos.tts.versa_metric import (
    DistilMOSMetric,
    register_distilmos_metric,
)

__all__ = ["DistilMOSMetric", "register_distilmos_metric"]
