"""Packed models: they hold all that scoring needs, and nothing that does harm."""

import shutil
import stat
import zipfile

import pytest
import tiny_upstreams as tiny
import torch
import yaml
from same_scores import same

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.folder import cache_dir, unpack
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.utils.errors import UserError


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
