"""Exported models of several scales score as in PyTorch, and are refused alike."""

import json

import numpy as np
import pytest
from small_predictors import SCALES, SCALES_CONF

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.export import export_model
from espnet2_distilmos.packs import onnx_record
from espnet2_distilmos.packs.about import describe
from espnet2_distilmos.packs.onnx_record import read_record
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(scope="module")
def model(tools, tmp_path_factory):
    return tools.model(tmp_path_factory.mktemp("several") / "exp", **SCALES_CONF)


@pytest.fixture(scope="module")
def wavs(tools, tmp_path_factory):
    """Two clips; the second is longer than a window."""
    folder = tmp_path_factory.mktemp("wavs")
    return [tools.wav(folder / f"{x}.wav", x, seed=i) for i, x in enumerate((1, 27))]


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """That model as a graph."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_model(str(model), path)
    return path


PREDICTORS = {
    "lstm": {},
    "attention": {"pooling": "attention", "strides": [1, 2, 1]},
    "linear": {"decoder": "linear", "kernels": [], "strides": []},
    "offsets": {"corpora": ["a", "b"], "listeners": ["x"]},
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_an_exported_model_scores_alike(name, tools, wavs, tmp_path):
    folder = tools.model(tmp_path / "exp", **SCALES_CONF, **PREDICTORS[name])
    export_model(str(folder), tmp_path / "model.onnx")
    assert read_record(tmp_path / "model.onnx").scales == list(SCALES)
    corpus = {"corpus": "b"} if name == "offsets" else {}
    by_torch = DistilMOSInference(None, folder / "model.pth", **corpus)
    by_onnx = DistilMOSInference(None, tmp_path / "model.onnx", **corpus)
    assert by_onnx.scales == SCALES
    for a, b in zip(by_torch.score_files(wavs), by_onnx.score_files(wavs)):
        assert b["scores"] == pytest.approx(a["scores"], abs=1e-4)
        assert list(b["scores"]) == ["MOS", *SCALES]
    assert describe(str(tmp_path / "model.onnx"))["scales"] == "MOS, SIG, BAK"


def test_an_exported_model_of_plain_ssl_mos(tools, wavs, tmp_path):
    folder = tools.model(tmp_path / "exp", predictor="sslmos", **SCALES_CONF)
    export_model(str(folder), tmp_path / "model.onnx", precision="int8")
    record = read_record(tmp_path / "model.onnx")
    assert set(record.differences) and record.precision == "int8"
    scores = DistilMOSInference(None, tmp_path / "model.onnx")
    assert list(next(scores.score_files(wavs))["scores"]) == ["MOS", *SCALES]


def test_a_graph_of_one_scale_has_the_record_it_had(tiny_model, tmp_path):
    record = export_model(str(tiny_model), tmp_path / "model.onnx")
    assert record.scales == [] and '"scales"' not in record.to_text()
    shown = describe(str(tmp_path / "model.onnx"))
    assert "scales" not in shown


def test_an_export_that_is_wrong_on_a_further_scale_is_refused(
    model, tmp_path, monkeypatch
):
    from espnet2_distilmos.inference import export

    kept = export.score_by_torch

    def other(network, clip):
        score = kept(network, clip)
        (value, frames), *more = score.further
        return score._replace(further=((value + 1e-2, frames), *more))

    monkeypatch.setattr(export, "score_by_torch", other)
    with pytest.raises(UserError, match="nothing written, the graph does not score"):
        export_model(str(model), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "scales, message",
    [
        (["SIG"], "has not the scales of its record"),
        ([], "is not from waveform to score and frame scores"),
        (["SIG", "sig"], "scales: scale sig stands there twice"),
        (["=cmd()"], "no name of a scale"),
        ([3], "scales: "),
    ],
)
def test_a_record_that_lies_about_its_scales(exported, tmp_path, scales, message):
    import onnx

    path = tmp_path / "model.onnx"
    graph = onnx.load(exported)
    (entry,) = [x for x in graph.metadata_props if x.key == onnx_record.KEY]
    entry.value = json.dumps({**json.loads(entry.value), "scales": scales})
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(UserError, match=message):
        DistilMOSInference(None, path)(np.zeros(16000, np.float32))
