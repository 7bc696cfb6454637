"""Exported models of every family score as in PyTorch."""

import numpy as np
import pytest
from random_models import write_family_model
from same_scores import same

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.export import export_model
from espnet2_distilmos.utils.errors import UserError

# As the presets of small corpora have it: half trained, half as pretrained.
HALVES = {
    "decoder": "linear",
    "kernels": [],
    "strides": [],
    "readout": "statistics",
    "readout_layers": [0, 1, 3],
    "readout_weight": 0.5,
}


# Family and style -> what the predictor has besides.
CASES = {
    ("hf_whisper", "pre"): HALVES,
    ("wavlm", "post"): HALVES,
    ("wavlm", "pre"): {"listeners": ["a", "b"]},
    ("hubert", "post"): {"pooling": "attention"},
    ("hubert", "pre"): {"layer_weighting": "softmax"},
    ("wav2vec2", "post"): {},
    ("wav2vec2", "pre"): {"label_mean": 3.2, "label_std": 0.7},
    ("hf_wav2vec2", "pre"): {"corpora": ["one", "two"]},
    ("hf_hubert", "post"): None,  # plain SSL-MOS
    ("hf_wavlm", "post"): {
        **{"readout": "statistics", "strides": [1, 2, 1]},
        **{"scales": ["SIG", "BAK"], "scale_means": [2.0, 40.0]},
    },
    ("hf_wavlm", "pre"): {},
}


# Samples: 25 ms, which is one frame or two; around a hop; seconds; a window; two.
LENGTHS = (400, 401, 719, 720, 16000, 50001, 320000, 500000)


@pytest.mark.parametrize("family, style", CASES)
def test_every_family_scores_as_in_torch(family, style, tmp_path, noise):
    options = CASES[family, style]
    model = write_family_model(tmp_path / "exp", family, style, options)
    record = export_model(str(model), tmp_path / "model.onnx")
    assert record.differences["float32, from PyTorch"].frame_mos <= 1e-4
    ours = DistilMOSInference.from_pretrained(tmp_path / "model.onnx")
    theirs = DistilMOSInference.from_pretrained(model)
    clips = [noise(i, n) for i, n in enumerate(LENGTHS)]
    clips.append(np.zeros(8000, np.float32))
    clips.append(np.concatenate([clips[4], np.zeros(16000, np.float32)]))
    pairs = list(zip(ours.score_batch(clips), theirs.score_batch(clips)))
    for pair in pairs:
        same(*pair, most=1e-4)
    # Or the same number for all would do.
    assert np.std([a["mos"] for a, _ in pairs]) > 1e-3
    assert ours.min_samples == theirs.min_samples
    with pytest.raises(UserError, match="too short"):
        ours(clips[0][: ours.min_samples - 1])
    if options and "corpora" in options:
        for corpus in options["corpora"]:
            a, b = (
                DistilMOSInference.from_pretrained(m, corpus=corpus)(clips[4])
                for m in (tmp_path / "model.onnx", model)
            )
            same(a, b, most=1e-4)
            assert abs(a["mos"] - pairs[4][0]["mos"]) > 1e-2
        with pytest.raises(UserError, match="was trained on one, two"):
            DistilMOSInference(None, tmp_path / "model.onnx", corpus="three")


@pytest.mark.parametrize("family, style", [("hf_whisper", "pre"), ("wavlm", "post")])
def test_blocks_are_in_the_graph_as_trained_and_as_pretrained(
    family, style, tmp_path, noise
):
    import onnx

    found = {}
    for name, more in {
        "all": {},
        # The same matrices, once in the file, are of both kinds of blocks.
        "unmoved": {"moved": 0.0},
        # What is above layer 1 is not computed as trained, but read as pretrained.
        "first": {"logits": [9.0, 0.0, 0.0]},
    }.items():
        folder = write_family_model(tmp_path / name, family, style, HALVES, **more)
        model = tmp_path / f"{name}.onnx"
        record = export_model(str(folder), model, "int8")
        assert 0 < record.differences["int8, from float32"].mos < 0.5
        assert record.differences["float32, from PyTorch"].frame_mos <= 1e-4
        assert np.isfinite(DistilMOSInference(None, model)(noise(0, 8000))["mos"])
        scopes = [
            "/".join(node.name.split("/")[:2])
            for node in onnx.load(model).graph.node
            if node.op_type == "MatMulInteger"
        ]
        found[name] = {scope: scopes.count(scope) for scope in scopes}
    counts = set(found["all"].values())
    assert len(counts) == 1 and counts.pop() >= 4
    kept = {"/layers.0", "/pretrained_blocks.0", "/pretrained_blocks.1"}
    assert set(found["first"]) == kept
    assert set(found["all"]) == kept | {"/layers.1", "/layers.2"}
    assert found["unmoved"] == found["all"]
    sizes = {name: (tmp_path / f"{name}.onnx").stat().st_size for name in found}
    assert sizes["unmoved"] < sizes["all"]


@pytest.mark.parametrize("family, style", [("hf_whisper", "pre"), ("wav2vec2", "post")])
def test_weights8_is_small_and_scores_nearly_as_float32(family, style, tmp_path, noise):
    import onnx
    from onnx import TensorProto

    folder = write_family_model(tmp_path / "exp", family, style, HALVES)
    files = {p: tmp_path / f"{p}.onnx" for p in ("float32", "weights8")}
    records = {p: export_model(str(folder), file, p) for p, file in files.items()}
    measured = records["weights8"].differences["weights8, from float32"]
    assert 0 < measured.mos <= measured.frame_mos < 0.3
    engines = {p: DistilMOSInference(None, file) for p, file in files.items()}
    clip = noise(0, 20000)
    some, others = (engines[p](clip) for p in files)
    assert 0 < abs(some["mos"] - others["mos"]) < 0.3
    # Every matrix is in the file in 8 bits, and no operator with whole numbers.
    graph = onnx.load(files["weights8"]).graph
    kinds = {w.name: w.data_type for w in graph.initializer}
    large = {w.name for w in graph.initializer if len(w.dims) == 2 and min(w.dims) > 15}
    assert TensorProto.FLOAT not in {kinds[name] for name in large}
    assert TensorProto.INT8 in {kinds[name] for name in large}
    operators = {node.op_type for node in graph.node}
    assert not operators & {"MatMulInteger", "DynamicQuantizeLinear"}
