"""Packed models: they hold all that scoring needs, and nothing that does harm."""

import shutil
import stat
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_upstreams as tiny
import torch
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.card import model_card
from espnet2_distilmos.packs.folder import cache_dir, unpack
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.packs.publish import link_model, upload_model
from espnet2_distilmos.utils import network
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def packed(tmp_path, tools):
    """A packed model whose original is gone; (zip, the scores it must give)."""
    exp = tools.model(tmp_path / "exp")
    (tmp_path / "RESULTS.md").write_text("# RESULTS\n")
    clip = tools.speech(1.0)
    expected = DistilMOSInference(exp / "config.yaml", exp / "model.pth")(clip)
    code = cli(
        f"pack-model --train_config {exp}/config.yaml --model_file {exp}/model.pth "
        f"--output {tmp_path}/out/m.zip --results {tmp_path}/RESULTS.md --corpus bvcc "
        "--licence CC-BY-4.0".split()
        + ["--label_kind", "human", "--label_name", "MOS"]
    )
    assert code == 0
    shutil.rmtree(exp)  # with the upstream before training
    return tmp_path / "out" / "m.zip", clip, expected


def same(result, expected):
    np.testing.assert_allclose(result["frame_mos"], expected["frame_mos"], atol=1e-6)
    assert result["mos"] == pytest.approx(expected["mos"], abs=1e-6)


def test_layout(packed):
    archive, _, _ = packed
    with zipfile.ZipFile(archive) as z:
        names = z.namelist()
        meta = yaml.safe_load(z.read("meta.yaml"))
        config = yaml.safe_load(z.read("config.yaml"))
        states = torch.load(z.open("model.pth"), weights_only=True)
    assert names[0] == "meta.yaml"
    assert set(names[1:]) == {"config.yaml", "model.pth", "upstream.pt", "RESULTS.md"}
    assert meta["files"] == {"model_file": "model.pth"}
    assert meta["yaml_files"] == {"train_config": "config.yaml"}
    assert config["upstream_conf"]["path_or_url"] == "upstream.pt"
    assert all(key.startswith("network.predictor.") for key in states)
    assert not any("token_heads" in key for key in states)


def test_scores_without_network_cache_or_original(packed, monkeypatch):
    """From the zip, a folder and a checkpoint in it; S3PRL may not fetch anything."""
    import s3prl.util.download

    def no_network(*args, **kwargs):
        raise AssertionError("asked for a download")

    monkeypatch.setattr(s3prl.util.download, "_urls_to_filepaths", no_network)
    monkeypatch.setattr("socket.socket.connect", no_network)
    archive, clip, expected = packed
    same(DistilMOSInference.from_pretrained(str(archive))(clip), expected)
    folder = unpack(archive)
    same(DistilMOSInference.from_pretrained(str(folder))(clip), expected)
    model = DistilMOSInference.from_pretrained(str(folder / "model.pth"))
    same(model(clip), expected)


def test_a_moved_folder_still_scores(packed, tmp_path, monkeypatch):
    archive, clip, expected = packed
    shutil.move(unpack(archive), tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    model = DistilMOSInference(
        tmp_path / "elsewhere" / "config.yaml", tmp_path / "elsewhere" / "model.pth"
    )
    same(model(clip), expected)


def test_another_upstream_is_refused(packed, tmp_path, tools):
    archive, _, _ = packed
    other = tools.model(tmp_path / "other", seed=1)
    folder = unpack(archive)
    shutil.copy(other / "original.pt", folder / "upstream.pt")
    with pytest.raises(UserError, match="upstream.pt: not the upstream that was"):
        DistilMOSInference.from_pretrained(str(folder))


def test_a_missing_upstream_is_named(packed):
    folder = unpack(packed[0])
    (folder / "upstream.pt").unlink()
    with pytest.raises(UserError, match="upstream.pt: missing, the packed"):
        DistilMOSInference.from_pretrained(str(folder))


def test_espnet_model_zoo_unpacks_it(packed, tmp_path, monkeypatch):
    downloader = pytest.importorskip("espnet_model_zoo.downloader")
    archive, clip, expected = packed
    files = downloader.ModelDownloader(tmp_path / "zoo").download_and_unpack(
        str(archive)
    )
    model = DistilMOSInference(**files)
    same(model(clip), expected)


def test_hub_repository(packed, monkeypatch):
    import huggingface_hub

    archive, clip, expected = packed
    folder = unpack(archive)
    asked = []

    def snapshot_download(name, **kwargs):
        asked.append(name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    same(DistilMOSInference.from_pretrained("someone/model")(clip), expected)
    same(
        DistilMOSInference.from_pretrained("https://huggingface.co/a/b")(clip), expected
    )
    assert asked == ["someone/model", "a/b"]


def test_a_tag_that_cannot_be_had(monkeypatch):
    import huggingface_hub

    def offline(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(network, "hub_silent", lambda repo: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", None)
    with pytest.raises(UserError, match="someone/model: .*OSError: no route.*--model"):
        locate_model("someone/model")


def test_pack_takes_an_experiment_with_a_random_upstream(tmp_path, tools, monkeypatch):
    """As the mini recipe's: a path relative to the recipe, written at first use."""
    exp = tools.model(tmp_path / "recipe" / "exp" / "x")
    config = yaml.safe_load((exp / "config.yaml").read_text())
    shutil.move(exp / "original.pt", tmp_path / "recipe" / "up.pt")
    content = torch.load(tmp_path / "recipe" / "up.pt", weights_only=True)
    config["upstream_conf"] = {
        "upstream": "wavlm_local",
        "path_or_url": "up.pt",
        "random_init": {"seed": 0, "config": content["cfg"]},
    }
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    clip = tools.speech(0.5)
    expected = DistilMOSInference(None, exp / "model.pth")(clip)
    (tmp_path / "recipe" / "up.pt").unlink()
    same(DistilMOSInference(None, exp / "model.pth")(clip), expected)
    pack_model(exp / "config.yaml", exp / "model.pth", tmp_path / "m.zip")
    same(DistilMOSInference.from_pretrained(str(tmp_path / "m.zip"))(clip), expected)
    assert list(elsewhere.iterdir()) == []  # nothing is left behind


def train_and_pack(folder, conf, tools):
    """Stir all weights of a model with this upstream; pack it without its original."""
    from espnet2_distilmos.model.network import build_network

    network = build_network(conf, "distilmos", {"hidden_size": 16})
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "model.pth")
    config = {
        "upstream_conf": conf,
        "predictor": "distilmos",
        "predictor_conf": {"hidden_size": 16},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    clip = tools.speech(0.5)
    expected = DistilMOSInference(None, folder / "model.pth")(clip)
    pack_model(folder / "config.yaml", folder / "model.pth", folder / "m.zip")
    shutil.rmtree(folder / "original")
    same(DistilMOSInference.from_pretrained(str(folder / "m.zip"))(clip), expected)


@pytest.mark.parametrize(
    "family, style", [case for case in tiny.CASES if case[0] in tiny.FAMILIES]
)
def test_every_family_packs(tmp_path, tools, family, style):
    """Also those whose files have weights that take no part, or are folders."""
    (tmp_path / "original").mkdir()
    train_and_pack(tmp_path, tiny.make(family, tmp_path / "original", style), tools)


@pytest.mark.slow
def test_espnet_hubert_packs(tmp_path, tools):
    (tmp_path / "original").mkdir()
    conf = tiny.make("espnet_hubert", tmp_path / "original", "post")
    train_and_pack(tmp_path, conf, tools)


def test_a_name_of_s3prl_packs_from_its_cache(tmp_path, tools, monkeypatch):
    """`hubert_base`: S3PRL downloads, and tells nobody where to."""
    from s3prl.upstream.hubert import hubconf

    (tmp_path / "original").mkdir()
    cached = tiny.make("hubert", tmp_path / "original")["path_or_url"]
    monkeypatch.setattr(hubconf, "_urls_to_filepaths", lambda *a, **k: cached)
    train_and_pack(tmp_path, {"upstream": "hubert_base"}, tools)


def test_filter_banks_need_no_file(tmp_path, tools):
    from espnet2_distilmos.model.network import build_network

    conf = {"upstream": "fbank"}
    network = build_network(conf, "sslmos", {})
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, tmp_path / "model.pth")
    config = {"upstream_conf": conf, "predictor": "sslmos"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    clip = tools.speech(0.5)
    expected = DistilMOSInference(None, tmp_path / "model.pth")(clip)
    pack_model(tmp_path / "config.yaml", tmp_path / "model.pth", tmp_path / "m.zip")
    same(DistilMOSInference.from_pretrained(str(tmp_path / "m.zip"))(clip), expected)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x"])
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as z:
        z.writestr(name, "harm")
    with pytest.raises(UserError, match="evil.zip: refused.*leads out"):
        unpack(tmp_path / "evil.zip")
    assert not list(cache_dir().rglob("x"))
    assert not (tmp_path / "x").exists()


def test_links_in_archives_are_refused(tmp_path):
    info = zipfile.ZipInfo("config.yaml")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as z:
        z.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        unpack(tmp_path / "evil.zip")


def test_meta_yaml_stays_in_its_folder(tmp_path):
    meta = {
        "yaml_files": {"train_config": "../config.yaml"},
        "files": {"model_file": "model.pth"},
    }
    (tmp_path / "meta.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(UserError, match="leads out of the folder"):
        locate_model(str(tmp_path))


def test_a_broken_zip_is_named(packed, tmp_path):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(packed[0].read_bytes()[:-2000])
    with pytest.raises(UserError, match="broken.zip"):
        DistilMOSInference.from_pretrained(str(broken))


def test_code_in_a_packed_model_is_not_run(packed, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    folder = unpack(packed[0])
    torch.save({"cfg": Evil(), "model": {}}, folder / "upstream.pt")
    with pytest.raises(UserError, match="upstream.pt: .* it could run code"):
        DistilMOSInference.from_pretrained(str(folder))
    assert not (tmp_path / "harm").exists()


def test_info(packed, capsys):
    assert cli(["info", "--model", str(packed[0])]) == 0
    lines = dict(
        line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if line
    )
    shown = {name: text.strip() for name, text in lines.items()}
    assert shown["self-contained"] == "yes"
    assert shown["layers"].startswith("4, computed up to 4; weights 1: 0.25")
    assert shown["training corpus"] == "bvcc"
    assert shown["labels"] == "MOS (human ratings)"
    assert shown["licence"] == "CC-BY-4.0"
    assert shown["sampling rate"].startswith("16000 Hz")
    assert shown["clusters"] == "not recorded"


PESQ = "PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not human ratings"


def info(model, capsys):
    capsys.readouterr()
    assert cli(["info", "--model", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {name: text.strip() for name, text in (x.split("  ", 1) for x in lines)}


def test_what_training_recorded_of_the_labels(pesq_model, tmp_path, capsys, tools):
    """Shown of the checkpoint, and of the model packed by hand without a word."""
    pack = f"pack-model --train_config {pesq_model}/config.yaml "
    pack += f"--model_file {pesq_model}/model.pth --output {tmp_path}/m.zip"
    assert cli(pack.split()) == 0
    with zipfile.ZipFile(tmp_path / "m.zip") as z:
        config = yaml.safe_load(z.read("config.yaml"))
    assert config["label_conf"] == tools.pesq_labels
    for model in (pesq_model, tmp_path / "m.zip"):
        shown = info(model, capsys)
        assert shown["training corpus"] == "mini_mos"
        assert shown["labels"] == PESQ
        assert shown["licence"] == "of the training data: CC BY-SA 3.0"
    card = model_card(unpack(tmp_path / "m.zip"), "me/m")
    assert f"predicts {PESQ}. Trained on mini_mos." in " ".join(card.split())
    assert "mean opinion score (MOS) of speech" not in " ".join(card.split())


def test_options_of_packing_override_the_record(pesq_model, tmp_path, capsys):
    pack = f"pack-model --train_config {pesq_model}/config.yaml --licence MIT "
    pack += f"--model_file {pesq_model}/model.pth --output {tmp_path}/m.zip "
    assert cli([*pack.split(), "--label_kind", "predicted", "--corpus", "mine"]) == 0
    shown = info(tmp_path / "m.zip", capsys)
    assert shown["training corpus"] == "mine"
    assert shown["labels"] == PESQ.replace("objective", "predicted by a model")
    assert shown["licence"] == "MIT; of the training data: CC BY-SA 3.0"


def test_labels_that_nobody_recorded(tiny_model, capsys, tmp_path):
    assert info(tiny_model, capsys)["labels"] == "not recorded"
    # Packed by an earlier version, which put words into meta.yaml.
    old = shutil.copytree(tiny_model, tmp_path / "old")
    files = {"files": {"model_file": "model.pth"}}
    meta = {**files, "yaml_files": {"train_config": "config.yaml"}}
    meta["facts"] = {"corpus": "bvcc", "label_kind": "human: MOS"}
    (old / "meta.yaml").write_text(yaml.safe_dump(meta))
    shown = info(old, capsys)
    assert (shown["training corpus"], shown["labels"]) == ("bvcc", "human: MOS")


@pytest.mark.parametrize("bad", ["PESQ", [{"corpus": "a", "kind": "\x1b[2J"}], [3]])
def test_a_record_that_is_none_is_refused(tiny_model, tmp_path, bad, capsys):
    folder = shutil.copytree(tiny_model, tmp_path / "bad")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "label_conf": bad}))
    assert cli(["info", "--model", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "config.yaml: " in line and line.isprintable()
    with pytest.raises(UserError, match="labels"):
        DistilMOSInference.from_pretrained(str(folder))


def test_upload(packed, monkeypatch):
    """A card is made and the unpacked model goes to the Hub's client."""
    import huggingface_hub

    sent = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo, private, exist_ok):
            sent["repo"] = repo

        def upload_folder(self, repo_id, folder_path, commit_message):
            sent["files"] = {
                f.name: f.read_bytes() for f in Path(folder_path).iterdir()
            }

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert upload_model(packed[0], "me/m") == "https://huggingface.co/me/m"
    assert sent["repo"] == "me/m"
    assert set(sent["files"]) == {
        "README.md",
        "meta.yaml",
        "config.yaml",
        "model.pth",
        "upstream.pt",
        "RESULTS.md",
    }
    card = sent["files"]["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert "espnet" in front["tags"]
    for text in (
        "| labels | MOS (human ratings) |",
        "CC-BY-4.0",
        "--model me/m",
        "# RESULTS",
    ):
        assert text in card
    # The package is on no index: the card says what the word stands for.
    assert '\npip install "espnet2-distilmos[torch] @ git+REPOSITORY"\n' in card
    assert "`REPOSITORY` is the address of the repository" in card


def test_failed_upload_is_one_line(packed, monkeypatch):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise OSError("401\nmore")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(UserError, match="me/m: the upload failed .OSError: 401.;"):
        upload_model(packed[0], "me/m")


def test_link_for_stage_6(packed, tmp_path, tools):
    archive, clip, expected = packed
    for _ in range(2):  # again is fine
        link_model(str(archive), tmp_path / "exp2")
    model = DistilMOSInference(
        tmp_path / "exp2" / "config.yaml", tmp_path / "exp2" / "model.pth"
    )
    same(model(clip), expected)
    (tmp_path / "exp3").mkdir()
    (tmp_path / "exp3" / "model.pth").write_text("mine")
    with pytest.raises(UserError, match="is in the way"):
        link_model(str(archive), tmp_path / "exp3")


def test_a_linked_model_brings_nothing_but_itself(packed, tmp_path):
    """Results that lie in the folder of its upstream stay in the cache."""
    archive, forged, exp = packed[0], tmp_path / "forged.zip", tmp_path / "exp"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.yaml":
                config = yaml.safe_load(content)
                config["upstream_conf"]["path_or_url"] = "inference_model/upstream.pt"
                content = yaml.safe_dump(config)
            place = "inference_model/upstream.pt" if name == "upstream.pt" else name
            new.writestr(place, content)
        new.writestr("inference_model/test/scores.json", "{}")
    exp.mkdir()
    (exp / "inference_model").symlink_to(tmp_path)  # an earlier version linked it
    for _ in range(2):
        link_model(str(forged), exp)
    assert not (exp / "inference_model").is_symlink()
    assert [p.name for p in (exp / "inference_model").iterdir()] == ["upstream.pt"]
    assert (exp / "inference_model/upstream.pt").is_symlink()
    DistilMOSInference(exp / "config.yaml", exp / "model.pth")


def test_an_upstream_that_is_a_folder_is_linked_file_by_file(tmp_path):
    model = tmp_path / "model"
    for name in (
        "model.pth",
        "up/config.json",
        "up/x.safetensors",
        "up/test/scores.json",
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("x")
    config = model / "config.yaml"
    for path, expected in (
        ("up", {"config.json", "x.safetensors"}),
        ("up/x.safetensors", {"x.safetensors"}),
        (str(model / "up"), set()),  # elsewhere: it stays there
        ("https://example.org/" + "x" * 300, set()),
    ):
        config.write_text(yaml.safe_dump({"upstream_conf": {"path_or_url": path}}))
        exp = tmp_path / f"exp{len(path)}"
        link_model(str(model), exp)
        assert {p.name for p in exp.glob("up/*")} == expected
    config.write_text("upstream_conf: {path_or_url: ../model/up}\n")
    with pytest.raises(UserError, match="leads out of the folder"):
        link_model(str(model), tmp_path / "out")
