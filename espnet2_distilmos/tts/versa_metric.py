"""DistilMOS as a metric of VERSA (https://github.com/wavlab-speech/versa).

Utterance by utterance, without a reference. VERSA's own registration function is
:func:`register_distilmos_metric`; :func:`add_to_versa` makes the metric known to every
registry, so that VERSA's commands take `- name: distilmos` in a score config.
"""

from typing import Any, Dict, Optional

import numpy as np

try:
    from versa.definition import (
        BaseMetric,
        MetricCategory,
        MetricMetadata,
        MetricRegistry,
        MetricType,
    )
except ImportError as e:
    raise ImportError(
        f"VERSA is not installed ({e}): see https://github.com/wavlab-speech/versa"
    ) from e

from espnet2_distilmos.tts.results import VERSA_KEY
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.labels import Labels


class DistilMOSMetric(BaseMetric):
    """Predicted MOS of one utterance.

    Config:
        model_tag: model (folder, zip, exported file, Hub repository, model zoo tag,
            `authors`), or
        train_config, model_file: a checkpoint. Default: the model that the package
            brings.
        use_gpu: score with the GPU; set by VERSA.
    """

    def _setup(self) -> None:
        from espnet2_distilmos.tts.evaluate import Evaluator

        names = ("model_tag", "train_config", "model_file")
        model = {name: self.config.get(name) for name in names}
        device = "cuda" if self.config.get("use_gpu") else "cpu"
        evaluator = Evaluator(**model, device=device)
        self.model, self.labels = evaluator.engine(), evaluator.labels
        self.logger.info(f"distilmos: {evaluator.name}; {self.labels.sentence}")

    def compute(
        self,
        predictions: np.ndarray,
        references: Any = None,
        metadata: Optional[Dict[str, Any]] = None,
    ) -> Dict[str, float]:
        """Score one utterance.

        Args:
            predictions: (n,) samples; floats in [-1, 1] or integers of full scale.
            references: not looked at.
            metadata: `sample_rate` in Hz (default 16000); other rates are resampled.

        Returns:
            `distilmos`: MOS, the higher the better, not clipped to 1..5.

        Raises:
            ValueError: no predictions.
            UserError: too short, or nothing finite in it.
        """
        if predictions is None:
            raise ValueError("distilmos: predictions are needed, an array of samples")
        metadata = metadata or {}
        rate = metadata.get("sample_rate") or SAMPLE_RATE
        result = self.model(predictions, fs=rate)
        for text in result["warnings"]:
            self.logger.warning(f"{metadata.get('key', 'utterance')}: {text}")
        return {VERSA_KEY: result["mos"]}

    def get_metadata(self) -> MetricMetadata:
        """Tell VERSA what it wants to know, and what the model predicts."""
        return _distilmos_metadata(self.labels)


def _distilmos_metadata(labels: Optional[Labels] = None) -> MetricMetadata:
    """Describe the metric with a model of such labels; None = none is chosen yet."""
    description = "MOS predicted by DistilMOS (layer-wise self-distillation of SSL)"
    if labels is not None:
        description = (
            f"DistilMOS (layer-wise self-distillation of SSL); {labels.sentence}"
        )
    return MetricMetadata(
        name="distilmos",
        category=MetricCategory.INDEPENDENT,
        metric_type=MetricType.FLOAT,
        requires_reference=False,
        requires_text=False,
        gpu_compatible=True,
        auto_install=False,
        # A checkpoint needs more, and says so; the default model does not.
        dependencies=["espnet2_distilmos", "numpy"],
        description=description,
        paper_reference="https://arxiv.org/abs/2601.13700",
        implementation_source="espnet2-distilmos",
    )


def register_distilmos_metric(registry: MetricRegistry) -> None:
    """Register the metric, as VERSA's own modules do."""
    registry.register(
        DistilMOSMetric, _distilmos_metadata(), aliases=["DistilMOS", "distil_mos"]
    )


def add_to_versa() -> None:
    """Make every registry that is made from now on know the metric.

    VERSA builds its registries from a list of its own modules and has no place for
    others.
    """
    made = MetricRegistry.__init__
    if getattr(made, "knows_distilmos", False):
        return

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        register_distilmos_metric(self)

    __init__.knows_distilmos = True  # type: ignore[attr-defined]
    MetricRegistry.__init__ = __init__
