"""Packed models on the Hub, and linked for stage 6."""

import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from same_scores import same

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.folder import unpack
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.publish import link_model, upload_model
from espnet2_distilmos.utils import network
from espnet2_distilmos.utils.errors import UserError


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
