"""Released checkpoints: scores as the published model gives them."""

import pytest
import torch
import yaml
from published_model import PRE_NORM, W2V2, WAVLM, expect_same_scores, release

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.official import import_official
from espnet2_distilmos.utils.errors import UserError


@pytest.mark.parametrize(
    "options",
    [
        {"wavlm_cfg": WAVLM, "hidden_dim": 16},
        {"wavlm_cfg": {**WAVLM, **PRE_NORM}, "hidden_dim": 16},
        {
            "wavlm_cfg": {**WAVLM, "gru_rel_pos": False},
            "hidden_dim": 20,
            "downsample_kernels": [7, 3],
            "downsample_strides": [2, 3],
            "target_layers": [1, 3],
            "ssl_backbone": "wavlm",
        },
        {"wavlm_cfg": {**WAVLM, "normalize": True}, "hidden_dim": 16},
    ],
    ids=["post-norm", "pre-norm", "strides and target layers", "normalize in the cfg"],
)
def test_same_scores_as_published(tmp_path, tools, options):
    model = release(tmp_path / "released", options)
    lines = import_official(tmp_path / "released", tmp_path / "out")
    assert any("left out" in line for line in lines)
    expect_same_scores(model, tmp_path / "out", tools)
    assert describe_model(str(tmp_path / "out"))["labels"] == (
        "MOS (human ratings, as the authors' repository says; scale 1 to 5)"
    )


def test_wav2vec2_scores_as_published(tmp_path, tools):
    options = {"w2v2_cfg": W2V2, "ssl_backbone": "w2v2", "hidden_dim": 16}
    model = release(tmp_path / "released", options)
    import_official(tmp_path / "released", tmp_path / "out")
    expect_same_scores(model, tmp_path / "out", tools)


def test_pre_norm_wav2vec2_is_refused_unless_its_last_layer_has_no_weight(
    tmp_path, tools
):
    pre_norm = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
    options = {"w2v2_cfg": {**W2V2, **pre_norm, "conv_bias": True}, "hidden_dim": 16}
    model = release(tmp_path / "r", {**options, "ssl_backbone": "w2v2"})
    with pytest.raises(UserError, match="after the final LayerNorm"):
        import_official(tmp_path / "r", tmp_path / "out")
    logits = torch.tensor([0.5, 0.3, -3.0])
    change(tmp_path / "r", {"weighted_sum.layer_logits": logits})
    model.weighted_sum.layer_logits.data = logits
    import_official(tmp_path / "r", tmp_path / "out")
    expect_same_scores(model, tmp_path / "out", tools)


def test_command(tmp_path, capsys):
    options = {"wavlm_cfg": WAVLM, "hidden_dim": 16, "lr": 0.1}
    release(tmp_path / "r", options)
    arguments = [
        "--model_dir",
        str(tmp_path / "r"),
        "--output_dir",
        str(tmp_path / "o"),
    ]
    assert cli(["import-official", *arguments]) == 0
    text = capsys.readouterr().out
    assert "backbone: wavlm, 3 layers of 24" in text
    assert "token heads: 3" in text
    assert "options without part in scoring: lr" in text
    files = {f.name for f in (tmp_path / "o").iterdir()}
    assert files == {"config.yaml", "model.pth", "upstream.pt", "meta.yaml"}


def change(folder, states=None, options=None):
    content = torch.load(folder / "model.pth.tar", weights_only=True)
    content["model"].update(states or {})
    torch.save(content, folder / "model.pth.tar")
    if options:
        path = folder / "model_cfg.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **options}))


@pytest.mark.parametrize(
    ("states", "options", "message"),
    [
        ({"novelty.weight": torch.ones(2)}, {}, "novelty.weight is not in the model"),
        (
            {"linear.weight": torch.ones(1, 3)},
            {},
            "linear.weight is of another",
        ),
        ({}, {"hidden_dim": 32}, "of another size than model_cfg.yaml"),
        ({}, {"downsample_kernels": [5, 3], "downsample_strides": [1, 1]}, "is not in"),
        ({}, {"downsample_kernels": [4, 3, 3]}, "odd kernels"),
        ({}, {"target_layers": [1, 2]}, "has 3 token heads and 3 layers"),
        (
            {},
            {"wavlm_cfg": {**WAVLM, "encoder_layers": 2}},
            "ssl.encoder.layers.2.self_attn.grep_a is not in the model",
        ),
        ({"ssl.novelty": torch.ones(2)}, {}, "ssl.novelty is not in the model"),
        (
            {},
            {"wavlm_cfg": {**WAVLM, "conv_feature_layers": "print('harm')"}},
            "S3PRL would run it as code",
        ),
    ],
)
def test_refusals(tmp_path, states, options, message):
    folder = tmp_path / "r"
    release(folder, {"wavlm_cfg": WAVLM, "hidden_dim": 16})
    change(folder, states, options)
    with pytest.raises(UserError) as e:
        import_official(folder, tmp_path / "out")
    assert message in str(e.value)
    assert not (tmp_path / "out").exists()


def test_what_is_no_released_checkpoint_is_refused(tmp_path, tiny_model):
    with pytest.raises(UserError, match="model_cfg.yaml: cannot be read"):
        import_official(tmp_path, tmp_path / "out")
    (tmp_path / "model_cfg.yaml").write_text("hidden_dim: 16\n")
    (tmp_path / "model.pth.tar").write_bytes((tiny_model / "model.pth").read_bytes())
    with pytest.raises(UserError, match="not a released DistilMOS checkpoint"):
        import_official(tmp_path, tmp_path / "out")


def test_no_code_in_a_checkpoint_is_run(tmp_path):
    """Neither here nor in S3PRL's loading: pickles that call functions are refused."""

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    (tmp_path / "model_cfg.yaml").write_text("hidden_dim: 16\n")
    torch.save({"model": Evil()}, tmp_path / "model.pth.tar")
    with pytest.raises(UserError, match="cannot be loaded as weights"):
        import_official(tmp_path, tmp_path / "out")
    assert not (tmp_path / "harm").exists()


def test_the_released_models_are_fetched_once(tmp_path, tools, monkeypatch, caplog):
    """The released weights are downloaded, checked and imported once."""
    import huggingface_hub

    from espnet2_distilmos.packs import released

    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", offline)
    with pytest.raises(UserError, match="could not be downloaded.*--model FILE.zip"):
        DistilMOSInference.from_pretrained("authors")

    hub = tmp_path / "hub"
    model = release(hub / "wavlm", {"wavlm_cfg": WAVLM, "hidden_dim": 16})
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda repo, name: str(hub / name)
    )
    monkeypatch.setitem(released.KNOWN_SHA256, "wavlm/model.pth.tar", 64 * "0")
    with pytest.raises(UserError, match="SHA-256 is not 000"):
        DistilMOSInference.from_pretrained("authors")
    monkeypatch.delitem(released.KNOWN_SHA256, "wavlm/model.pth.tar")

    caplog.set_level("INFO")
    engine = DistilMOSInference.from_pretrained("authors")
    assert "no licence file" in caplog.text
    clip = tools.speech(1.0)
    with torch.no_grad():
        expected = model(torch.from_numpy(clip)).mean()
    assert engine(clip)["mos"] == pytest.approx(float(expected), abs=1e-4)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    assert (
        DistilMOSInference.from_pretrained("authors")(clip)["mos"]
        == engine(clip)["mos"]
    )


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The authors' repository in the cache of the Hub's client; its models by name."""
    from huggingface_hub import constants

    top = tmp_path / "hub" / "models--BaleYang--DistilMOS"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text("0" * 40)
    folder = top / "snapshots" / ("0" * 40)
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    w2v2 = {"w2v2_cfg": W2V2, "ssl_backbone": "w2v2", "hidden_dim": 16}
    return {
        "wavlm": release(folder / "wavlm", {"wavlm_cfg": WAVLM, "hidden_dim": 16}),
        "w2v2": release(folder / "w2v2", w2v2, seed=1),
    }


@pytest.mark.parametrize(
    "tag, backbone",
    [
        ("authors", "wavlm"),
        ("authors/wavlm", "wavlm"),
        ("authors/w2v2", "w2v2"),
        ("BaleYang/DistilMOS", "wavlm"),
        ("baleyang/distilmos/", "wavlm"),
        ("BaleYang/DistilMOS/wavlm", "wavlm"),
        ("BaleYang/DistilMOS/w2v2", "w2v2"),
        ("https://huggingface.co/BaleYang/DistilMOS/tree/main/w2v2", "w2v2"),
        ("https://huggingface.co/BaleYang/DistilMOS", "wavlm"),
    ],
)
def test_both_released_models_by_name(hub, tools, tag, backbone, caplog):
    caplog.set_level("INFO")
    clip = tools.speech(0.6)
    with torch.no_grad():
        expected = float(hub[backbone](torch.from_numpy(clip)).mean())
    found = DistilMOSInference.from_pretrained(tag)(clip)["mos"]
    assert found == pytest.approx(expected, abs=1e-4)
    other = {"wavlm": "w2v2", "w2v2": "wavlm"}[backbone]
    assert f"the model BaleYang/DistilMOS/{backbone} (the other one: " in caplog.text
    assert f"BaleYang/DistilMOS/{other})" in caplog.text


def test_every_command_takes_these_names(hub, tmp_path, tools, capsys):
    assert cli(["info", "--model", "BaleYang/DistilMOS/w2v2"]) == 0
    assert "hf_wav2vec2_custom" in capsys.readouterr().out
    wav = tools.wav(tmp_path / "a.wav", 0.5)
    for name in ("BaleYang/DistilMOS/w2v2", "authors/w2v2"):
        assert cli(["score", str(wav), "--model", name]) == 0
        told = capsys.readouterr()
        assert told.out.startswith("file,mos")
        assert "model: BaleYang/DistilMOS/w2v2; predicts MOS (human" in told.err


@pytest.mark.parametrize(
    "tag, message",
    [
        ("BaleYang/DistilMOS/hubert", "there are BaleYang/DistilMOS/wavlm and Bale"),
        ("BaleYang/DistilMOS/../x", "no such model|leads out"),
        # A path that was mistyped is not asked of the Hub.
        ("exp/mos_x/valid", "no such model file, folder or tag"),
    ],
)
def test_names_that_are_none(hub, tag, message):
    with pytest.raises(UserError, match=message):
        DistilMOSInference.from_pretrained(tag)


def test_no_network_is_told_once_and_soon(tmp_path, monkeypatch, capsys):
    """25 s and 12 lines by the retries of the Hub's client."""
    import time

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    for name in ("authors", "BaleYang/DistilMOS/w2v2", "someone/model"):
        started = time.monotonic()
        assert cli(["info", "--model", name]) == 1
        assert time.monotonic() - started < 10
        captured = capsys.readouterr()
        (line,) = [x for x in captured.err.splitlines() if x.startswith("error: ")]
        assert "ConnectError" in line and "--model FILE.zip" in line
        assert "--model default" in line
        assert "Retry" not in captured.err
