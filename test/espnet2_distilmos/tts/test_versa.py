"""The metric for VERSA: with the real package where it is installed, otherwise with a
stand-in for `versa.definition` that has its published names and fields."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import yaml
from versa_tree import DEFINITION

REPO = Path(__file__).parents[3]


def stand_in() -> types.ModuleType:
    """What a metric sees of `versa.definition`, as in the imitated checkout."""
    definition = types.ModuleType("versa.definition")
    exec(compile(DEFINITION, "versa/definition.py", "exec"), definition.__dict__)
    return definition


@pytest.fixture
def versa(monkeypatch):
    """Our module and `versa.definition`."""
    if importlib.util.find_spec("versa") is None:
        definition = stand_in()
        monkeypatch.setitem(sys.modules, "versa", types.ModuleType("versa"))
        monkeypatch.setitem(sys.modules, "versa.definition", definition)
    import versa.definition as definition

    name = "espnet2_distilmos.tts.versa_metric"
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.setattr(
        definition.MetricRegistry, "__init__", definition.MetricRegistry.__init__
    )
    yield module, definition
    sys.modules.pop(name, None)


def test_metadata_and_registration(versa):
    module, definition = versa
    registry = definition.MetricRegistry()
    assert registry.get_metric("distilmos") is None
    module.register_distilmos_metric(registry)
    assert registry.get_metric("distilmos") is module.DistilMOSMetric
    assert registry.get_metric("distil_mos") is module.DistilMOSMetric
    made = registry.get_metadata("distilmos")
    assert made.category is definition.MetricCategory.INDEPENDENT
    assert made.metric_type is definition.MetricType.FLOAT
    assert not made.requires_reference and not made.requires_text
    assert made.gpu_compatible and not made.auto_install
    for name in made.dependencies:  # import names
        assert importlib.util.find_spec(name), name


def test_every_registry_knows_it_once_added(versa):
    module, definition = versa
    module.add_to_versa()
    module.add_to_versa()
    assert definition.MetricRegistry().get_metric("distilmos")


def test_scores_are_those_of_the_engine(versa, tiny_model, engine, tools, caplog):
    module, _ = versa
    metric = module.DistilMOSMetric({"model_tag": str(tiny_model), "use_gpu": False})
    speech = tools.speech(0.6, 24000)
    found = metric.compute(speech.astype(np.float64), metadata={"sample_rate": 24000})
    assert list(found) == ["distilmos"]
    assert found["distilmos"] == pytest.approx(engine(speech, 24000)["mos"], abs=1e-5)
    assert isinstance(found["distilmos"], float)
    at_16k = metric.compute(speech, references=speech)["distilmos"]
    assert at_16k == pytest.approx(engine(speech, 16000)["mos"], abs=1e-5)
    assert metric.get_metadata().name == "distilmos"
    metric.compute(np.zeros(8000), metadata={"key": "utt7", "sample_rate": 16000})
    assert "utt7: silence" in caplog.text
    with pytest.raises(ValueError, match="predictions are needed"):
        metric.compute(None)


def test_metadata_of_a_metric_say_what_its_model_predicts(versa, pesq_model, caplog):
    module, _ = versa
    caplog.set_level("INFO")
    metric = module.DistilMOSMetric({"model_tag": str(pesq_model)})
    what = (
        "predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not human"
    )
    description = metric.get_metadata().description
    assert what in description and "MOS predicted" not in description
    assert what in caplog.text


def test_example_config(versa, monkeypatch):
    module, _ = versa
    path = REPO / "egs2/TEMPLATE/tts1/conf/versa_distilmos.yaml"
    (config,) = yaml.safe_load(path.read_text())
    assert config["name"] == module._distilmos_metadata().name
    from espnet2_distilmos.tts import evaluate

    asked = []
    monkeypatch.setattr(
        evaluate, "locate_model", lambda tag: asked.append(tag) or ("no", "model")
    )
    with pytest.raises(Exception):  # noqa: B017  # names are no paths: after locating
        module.DistilMOSMetric(config)
    assert asked == [None]  # the embedded model


def test_command_hands_over_to_versa(versa, monkeypatch):
    from espnet2_distilmos.bin.main import cli

    _, definition = versa
    scorer, calls = types.ModuleType("versa.bin.scorer"), []

    def main():
        known = definition.MetricRegistry().get_metric("distilmos")
        calls.append((sys.argv[1:], known.__name__))

    scorer.main = main
    monkeypatch.setitem(sys.modules, "versa.bin", types.ModuleType("versa.bin"))
    monkeypatch.setitem(sys.modules, "versa.bin.scorer", scorer)
    monkeypatch.setattr(sys.modules["versa.bin"], "scorer", scorer, raising=False)
    monkeypatch.setattr(sys, "argv", ["distilmos"])
    assert cli(["versa", "--pred", "wav.scp"]) == 0
    assert calls == [(["--pred", "wav.scp"], "DistilMOSMetric")]


@pytest.mark.skipif(
    importlib.util.find_spec("versa") is not None, reason="VERSA is here"
)
def test_without_versa_one_line_says_so(capsys):
    from espnet2_distilmos.bin.main import cli

    assert cli(["versa", "--pred", "x"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "VERSA is not installed" in error and "wavlab-speech/versa" in error


def test_an_import_that_fails_for_a_fault_of_ours_keeps_its_traceback(
    versa, monkeypatch
):
    from espnet2_distilmos.bin.main import cli

    module, _ = versa
    monkeypatch.delattr(module, "add_to_versa")
    with pytest.raises(ImportError, match="cannot import name 'add_to_versa'"):
        cli(["versa", "--pred", "x"])
