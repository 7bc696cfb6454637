"""Models that somebody gives you: repacked, damaged, diverged, or calling home."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.network import ALLOW


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(ALLOW, raising=False)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, tiny_model):
    """A packed model."""
    path = tmp_path_factory.mktemp("packed") / "m.zip"
    pack_model(tiny_model / "config.yaml", tiny_model / "model.pth", path)
    return path


@pytest.fixture
def repack(archive, tmp_path):
    """Function: write the model again, under other names or with other content."""

    def write(name="other.zip", rename=str, more=None, **content):
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(name, "w") as new:
            for member, text in (more or {}).items():
                new.writestr(member, text)
            for member in old.namelist():
                key = member.replace(".", "_")
                new.writestr(rename(member), content.get(key, old.read(member)))
        return str(tmp_path / name)

    return write


# --- packed again by another tool


def windows(member):
    return f"mymodel\\{member}"


@pytest.mark.parametrize(
    "rename, more",
    [
        (lambda m: f"mymodel/{m}", {}),
        (lambda m: f"a/b/{m}", {"a/": "", "a/b/": ""}),
        (
            lambda m: f"my model/{m}",
            {"__MACOSX/my model/._config.yaml": "x", "my model/.DS_Store": "x"},
        ),
        (str, {"__MACOSX/._meta.yaml": "x", "README.md": "x"}),
        (windows, {}),
    ],
    ids=["a folder", "two folders", "macOS", "macOS, files alone", "backslashes"],
)
def test_repacked(repack, archive, tools, rename, more):
    clip = tools.speech(0.5)
    expected = DistilMOSInference.from_pretrained(str(archive))(clip)["mos"]
    path = repack(rename=rename, more=more)
    assert DistilMOSInference.from_pretrained(path)(clip)["mos"] == expected
    # The second time from the cache, and under another ending.
    shutil.copy(path, "OTHER.ZIP")
    assert DistilMOSInference.from_pretrained("OTHER.ZIP")(clip)["mos"] == expected


def test_without_meta_yaml(archive, tools):
    """As who packs config.yaml and the weights by hand."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile("x.zip", "w") as new:
        for member in old.namelist():
            if member != "meta.yaml":
                new.writestr(f"top/{member}", old.read(member))
    assert DistilMOSInference.from_pretrained("x.zip")(tools.speech(0.5))["mos"]


def test_two_models_in_one_zip(archive):
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile("two.zip", "w") as new:
        for member in old.namelist():
            for top in ("a", "b"):
                new.writestr(f"{top}/{member}", old.read(member))
    with pytest.raises(UserError, match="two.zip: no model here"):
        locate_model("two.zip")


def test_a_folder_above_and_other_archives(archive, tmp_path):
    with zipfile.ZipFile(archive) as z:
        z.extractall("above/mymodel")
    with pytest.raises(UserError, match="one further down: .*above/mymodel"):
        locate_model("above")
    shutil.make_archive("m", "gztar", "above")
    with pytest.raises(UserError, match="m.tar.gz: a tar archive; unpack it"):
        locate_model("m.tar.gz")


def test_a_way_of_packing_that_python_lacks(archive):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as z:
        directory = z.start_dir
    for header in (8, directory + 10):  # of the first member
        content[header] = 9  # Deflate64, as Windows takes for 2 GB
    Path("odd.zip").write_bytes(content)
    with pytest.raises(UserError, match="odd.zip: packed in a way that Python cannot"):
        locate_model("odd.zip")


def test_a_zip_with_a_password(archive):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as z:
        content[z.start_dir + 8] |= 1
    content[6] |= 1
    Path("secret.zip").write_bytes(content)
    with pytest.raises(UserError, match="secret.zip: needs a password"):
        locate_model("secret.zip")


# --- damaged or diverged


def test_the_predictor_has_a_hash(archive, repack, capsys):
    with zipfile.ZipFile(archive) as z:
        states = torch.load(io.BytesIO(z.read("model.pth")), weights_only=True)
    name = "network.predictor.decoder.output.bias"
    states[name] = states[name] + 0.5
    other = io.BytesIO()
    torch.save(states, other)
    path = repack(model_pth=other.getvalue())
    with pytest.raises(UserError, match="model.pth: not the weights that were packed"):
        DistilMOSInference.from_pretrained(path)
    assert cli(["info", "--model", path]) == 1
    assert "SHA-256 differs" in capsys.readouterr().err


def test_a_flipped_bit_without_a_hash(tiny_model, tmp_path):
    """Checkpoints of a training, and models that were packed before."""
    folder = shutil.copytree(tiny_model, tmp_path / "exp")
    states = torch.load(folder / "model.pth", weights_only=True)
    value = states["network.predictor.decoder.output.weight"].numpy().tobytes()
    content = bytearray((folder / "model.pth").read_bytes())
    content[content.index(value) + 3] ^= 2
    (folder / "model.pth").write_bytes(content)
    assert "damaged" in refusal(folder)


def refusal(model):
    with pytest.raises(UserError) as e:
        DistilMOSInference.from_pretrained(str(model))
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "name", ["predictor.weighting.logits", "upstream.model.encoder.layers.0.fc1.bias"]
)
def test_weights_that_are_not_finite(tiny_model, tmp_path, name, value):
    folder = shutil.copytree(tiny_model, tmp_path / "exp")
    states = torch.load(folder / "model.pth", weights_only=True)
    states[f"network.{name}"].view(-1)[0] = float(value)
    torch.save(states, folder / "model.pth")
    message = refusal(folder)
    assert f"model.pth: NaN or Inf in network.{name} (1 tensor)" in message


# --- calling home


@pytest.mark.parametrize(
    "upstream, path",
    [
        ("wavlm_url", "http://beacon.example/who-scores"),
        ("wavlm_url", "file:///etc/hostname"),
        ("hubert_url", "https://beacon.example/x.pt"),
        ("wavlm_base_plus", None),
        ("hubert_base", None),
        ("hf_wav2vec2_custom", "beacon/model"),
    ],
)
def test_a_model_names_what_is_elsewhere(
    archive, repack, upstream, path, monkeypatch, tmp_path
):
    """Refused before a host's name is looked up; nothing is written."""
    import socket

    from huggingface_hub import constants
    from s3prl.util import download

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "_download_dir", tmp_path / "s3prl")
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: asked.append(a))
    with zipfile.ZipFile(archive) as z:
        config = yaml.safe_load(z.read("config.yaml"))
    del config["upstream_sha256"]
    config["upstream_conf"].update(upstream=upstream, path_or_url=path)
    message = refusal(repack(config_yaml=yaml.safe_dump(config)))
    assert "config.yaml: its upstream" in message and ALLOW in message
    assert asked == [] and not [f for f in tmp_path.rglob("s3prl/*") if f.is_file()]


def test_its_owner_may_allow_it(tiny_model, tmp_path, monkeypatch):
    """Then it is tried, once."""
    from s3prl.util import download

    monkeypatch.setattr(download, "_download_dir", tmp_path / "s3prl")
    folder = shutil.copytree(tiny_model, tmp_path / "exp")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    address = "http://127.0.0.1:9/x.pt"
    config["upstream_conf"].update(upstream="wavlm_url", path_or_url=address)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert ALLOW in refusal(folder)
    monkeypatch.setenv(ALLOW, "1")
    for proxy in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    assert f"{address} cannot be fetched" in refusal(folder)


def test_a_name_of_s3prl_scores_from_its_cache(tiny_model, tmp_path, monkeypatch):
    """As for who trained with `wavlm_base_plus` on this machine, without a network."""
    from s3prl.util import download

    monkeypatch.setattr(download, "_download_dir", tmp_path / "s3prl")
    folder = shutil.copytree(tiny_model, tmp_path / "exp")
    expected = DistilMOSInference.from_pretrained(str(folder))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["upstream_conf"] = {"upstream": "wavlm_base_plus"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "wavlm_base_plus" in refusal(folder)
    seen = []
    monkeypatch.setattr(download, "_download", lambda path, url, **k: seen.append(url))
    from s3prl.upstream.wavlm import hubconf

    hubconf.wavlm_base_plus  # noqa: B018 (its own address is in it)
    with pytest.raises(Exception):  # noqa: B017 (nothing was written)
        hubconf.wavlm_base_plus()
    monkeypatch.undo()
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "_download_dir", tmp_path / "s3prl")
    cached = download._urls_to_filepaths(*seen, download=False)
    shutil.copy(folder / "original.pt", cached)
    clip = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    found = DistilMOSInference.from_pretrained(str(folder))
    assert found(clip)["mos"] == expected(clip)["mos"]


# --- what is printed


def test_info_shows_hostile_values(archive, repack, capsys):
    with zipfile.ZipFile(archive) as z:
        meta = yaml.safe_load(z.read("meta.yaml"))
    meta["facts"] = {"corpus": "x\x1b[2J\nlicence  CC0", "licence": "no"}
    assert cli(["info", "--model", repack(meta_yaml=yaml.safe_dump(meta))]) == 0
    out = capsys.readouterr().out
    assert r"x\x1b[2J\nlicence  CC0" in out and "\x1b" not in out
    assert sum(line.startswith("licence") for line in out.splitlines()) == 1
