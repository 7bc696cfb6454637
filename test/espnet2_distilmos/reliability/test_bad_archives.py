"""Archives and released checkpoints that are broken, foreign or hostile."""

import shutil
import stat
import zipfile

import pytest
import torch
from spoilt_files import CODE, cut, text

pytestmark = pytest.mark.usefixtures("no_harm")


def member(name, link=False):
    def write(path):
        info = zipfile.ZipInfo(name)
        if link:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(path, "a") as z:
            z.writestr(info, "/etc/passwd")

    return write


def encrypted(path):
    content = bytearray(path.read_bytes())
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        start = content.index(header)
        content[start + (6 if header[2] == 3 else 8)] |= 1
    path.write_bytes(content)


ARCHIVES = {
    "a member outside": (member("../harm"), "'../harm' leads out of the folder"),
    "an absolute member": (member("/tmp/harm"), "leads out of the folder"),
    "a Windows path": (member("..\\harm"), "leads out of the folder"),
    "a link": (member("config.yaml", link=True), "is a link"),
    "cut off": (cut, "not a zip, or cut off"),
    "encrypted": (encrypted, "a broken zip"),
    "a file where a folder is": (member("config.yaml/x"), "cannot be unpacked"),
    "no model in it": (lambda p: member("x")(p.unlink() or p), "zip: no model here"),
    "text": (text("zip"), "not a zip, or cut off"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(tiny_model, tmp_path, refused, name):
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as z:
        for file in ("config.yaml", "model.pth"):
            z.write(tiny_model / file, file)
    spoil, word = ARCHIVES[name]
    spoil(archive)
    refused(["info", "--model", archive], word)
    assert not list(tmp_path.parent.glob("harm"))


def test_an_archive_that_no_disk_holds(tiny_model, tmp_path, refused, monkeypatch):
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as z:
        z.write(tiny_model / "model.pth", "model.pth")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused(["info", "--model", archive], "model.zip: unpacks to", "DISTILMOS_CACHE")


OFFICIAL = {
    "a list": (text("[]"), "a YAML mapping"),
    "text for a mapping": (text("wavlm_cfg: big"), "wavlm_cfg must be a mapping"),
    "text for numbers": (text("hidden_dim: '256'"), "hidden_dim must be a number"),
    "a number for a list": (text("downsample_kernels: 5"), "must be a list of numbers"),
    "layers that are text": (text("target_layers: [a]"), "must be a list of numbers"),
    "code": (text(f'wavlm_cfg: {{conv_feature_layers: "{CODE}"}}'), "run it as code"),
    "sizes that fit nothing": (
        text("wavlm_cfg: {encoder_embed_dim: -1}"),
        "no model can be made of it",
    ),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_released_checkpoints(tmp_path, refused, name):
    spoil, word = OFFICIAL[name]
    spoil(tmp_path / "model_cfg.yaml")
    states = {"ssl.mask_emb": torch.zeros(2), "predictors.0.x": torch.zeros(1)}
    torch.save({"model": states}, tmp_path / "model.pth.tar")
    command = ["import-official", "--model_dir", tmp_path, "--output_dir", "out"]
    refused(command, "model_cfg.yaml", word)
