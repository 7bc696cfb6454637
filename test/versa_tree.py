"""A made-up checkout of VERSA: how it finds metrics, its scorer, its table.

As its main branch of May 2026 (commit c398480): `versa/__init__.py` imports each
metric by `_optional_metric_import(module, names, hint)`, which never makes `import
versa` fail; the scorer calls every `register_*_metric` that it finds in the package.
"""

from pathlib import Path

from espnet_tree import write

INIT = """
import importlib
import logging


def _optional_metric_import(module_name, names, install_hint=None):
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        logging.warning(install_hint or module_name)
        return
    for name in names:
        globals()[name] = getattr(module, name)


_optional_metric_import(
    "versa.utterance_metrics.length", ("LengthMetric", "register_length_metric")
)
""".lstrip()

DEFINITION = """
import abc
import dataclasses
import enum
import logging

MetricCategory = enum.Enum("MetricCategory", "INDEPENDENT DEPENDENT DISTRIBUTIONAL")
MetricType = enum.Enum("MetricType", "FLOAT DICT")


class BaseMetric(abc.ABC):
    def __init__(self, config=None):
        self.config = config or {}
        self.logger = logging.getLogger(type(self).__name__)
        self._setup()

    @abc.abstractmethod
    def _setup(self): ...

    @abc.abstractmethod
    def compute(self, predictions, references=None, metadata=None): ...

    @abc.abstractmethod
    def get_metadata(self): ...


@dataclasses.dataclass
class MetricMetadata:
    name: str
    category: object
    metric_type: object
    requires_reference: bool
    requires_text: bool
    gpu_compatible: bool
    auto_install: bool
    dependencies: list
    description: str
    paper_reference: str = None
    implementation_source: str = None


class MetricRegistry:
    def __init__(self):
        self._classes, self._metadata, self._aliases = {}, {}, {}

    def register(self, metric_class, metadata, aliases=None):
        self._classes[metadata.name] = metric_class
        self._metadata[metadata.name] = metadata
        self._aliases.update({alias: metadata.name for alias in aliases or []})

    def get_metric(self, name):
        return self._classes.get(self._aliases.get(name, name))

    def get_metadata(self, name):
        return self._metadata.get(self._aliases.get(name, name))
""".lstrip()

SCORER_SHARED = """
import logging
import types

from versa.definition import MetricRegistry


def _create_populated_registry():
    import versa

    registry = MetricRegistry()
    for name in dir(versa):
        if name.startswith("register_") and name.endswith("_metric"):
            getattr(versa, name)(registry)
    return registry


class VersaScorer:
    def __init__(self):
        self.registry = _create_populated_registry()

    def load_metrics(self, score_config, use_gt=True, use_gpu=False):
        metrics = {}
        for config in score_config:
            made = self.registry.get_metric(config["name"])
            if made is None:
                logging.error("Failed to load metric %s", config["name"])
                continue
            metrics[config["name"]] = made({**config, "use_gpu": use_gpu})
        return types.SimpleNamespace(metrics=metrics)
""".lstrip()

SCORER = """
import argparse
import json

import soundfile
import yaml

from versa.scorer_shared import VersaScorer


def main():
    parser = argparse.ArgumentParser()
    for name in ("pred", "score_config", "output_file", "io"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    config = yaml.safe_load(open(args.score_config))
    metrics = VersaScorer().load_metrics(config, use_gt=False).metrics
    if not metrics:
        raise ValueError("No scoring function is provided")
    with open(args.output_file, "w") as file:
        for line in open(args.pred):
            key, path = line.split()
            samples, rate = soundfile.read(path)
            score = {"key": key}
            for metric in metrics.values():
                metadata = {"key": key, "sample_rate": rate}
                score.update(metric.compute(samples, None, metadata))
            file.write(json.dumps(score) + "\\n")


if __name__ == "__main__":
    main()
""".lstrip()

LENGTH = """
from versa.definition import BaseMetric, MetricCategory, MetricMetadata, MetricType


class LengthMetric(BaseMetric):
    def _setup(self): ...

    def compute(self, predictions, references=None, metadata=None):
        return {"length": len(predictions)}

    def get_metadata(self):
        return MetricMetadata(
            "length",
            MetricCategory.INDEPENDENT,
            MetricType.FLOAT,
            *(False, False, False, True),
            [],
            "samples",
        )


def register_length_metric(registry):
    registry.register(LengthMetric, LengthMetric({}).get_metadata())
""".lstrip()

TABLE = """
### Independent Metrics

|Number| Auto-Install | Metric Name | Key in config | Key in report | Source | Paper |
|---|---|---|---|---|---|---|
| 1 | x | Length | length | length | - | - |
| 2 |   |Turns |  |  |  |  |


### Dependent Metrics
|Number| Auto-Install | Metric Name | Key in config | Key in report | Source | Paper |
|---|---|---|---|---|---|---|
| 1 | x | Distance | mcd | mcd | - | - |
""".lstrip()


def make_versa(root: Path) -> Path:
    """Make the checkout; returns its folder."""
    for name, text in (
        ("versa/__init__.py", INIT),
        ("versa/definition.py", DEFINITION),
        ("versa/scorer_shared.py", SCORER_SHARED),
        ("versa/bin/__init__.py", ""),
        ("versa/bin/scorer.py", SCORER),
        ("versa/utterance_metrics/__init__.py", ""),
        ("versa/utterance_metrics/length.py", LENGTH),
        ("egs/separate_metrics/length.yaml", "- name: length\n"),
        ("test/test_metrics/test_length.py", ""),
        ("docs/supported_metrics.md", TABLE),
        ("README.md", "VERSA\n"),
    ):
        write(root / name, text)
    return root
