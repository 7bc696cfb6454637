"""For all tests: one thread a process; tiny random upstreams, models and clips."""

import math
import os
from pathlib import Path
from types import SimpleNamespace

# Read by torch and numpy when they are imported, here and in child processes.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# No test asks anything of the Hugging Face Hub; what stands in for it is local.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

# 3 blocks of 16 channels, 20 ms frames, as WavLM base (post-norm, GroupNorm in the
# CNN) and as WavLM large (pre-norm, LayerNorm in the CNN, normalised waveform).
_BASE = {
    "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(12,2,2)] * 2",
    "encoder_layers": 3,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 16,
    "max_distance": 40,
    "gru_rel_pos": True,
}
_LARGE = {"extractor_mode": "layer_norm", "layer_norm_first": True, "normalize": True}
STYLES = {"post": _BASE, "pre": {**_BASE, **_LARGE}}


def pytest_collection_modifyitems(config, items):
    """Begin with what takes longest where several processes share the tests.

    Else one of them would be left alone with it at the end.
    """
    if hasattr(config, "workerinput"):  # of pytest-xdist
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def wavlm_conf(tmp_path_factory):
    """Function: content of an upstream YAML of a tiny random WavLM.

    Args: `style` `post` or `pre`, `seed`, `config` (more keys of WavLM's), and any
    key of the upstream's configuration.
    """
    folder = tmp_path_factory.mktemp("upstream")

    def make(style: str = "post", seed: int = 0, config=None, **conf) -> dict:
        config = config or {}
        name = "_".join([style, str(seed), *(f"{k}{v}" for k, v in config.items())])
        return {
            "upstream": "wavlm_local",
            "path_or_url": str(folder / f"{name}.pt"),
            "random_init": {"seed": seed, "config": {**STYLES[style], **config}},
            **conf,
        }

    return make


@pytest.fixture(scope="session")
def upstream_of(wavlm_conf):
    """Function: the adapter of a tiny random WavLM (arguments of `wavlm_conf`)."""
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.model.upstream.loader import build_upstream

    def make(*args, **kwargs):
        conf = UpstreamConfig.from_dict(wavlm_conf(*args, **kwargs), "test")
        return build_upstream(conf)

    return make


@pytest.fixture(scope="session")
def noise():
    """Function: (N,) float32 noise whose loudness changes, from a seed."""

    def make(seed: int, n_samples: int = 16000) -> np.ndarray:
        rng = np.random.default_rng(seed)
        t = np.arange(n_samples) / 16000
        loudness = 0.2 * (1.1 + np.sin(2 * math.pi * rng.uniform(1, 5) * t))
        return (loudness * rng.standard_normal(n_samples)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def batch_of(noise):
    """Function: padded waveforms (B, N) and their lengths (B,), from lengths.

    Padding is loud, so that a leak shows.
    """
    import torch

    def make(lengths):
        clips = [torch.from_numpy(noise(i, n)) for i, n in enumerate(lengths)]
        speech = torch.nn.utils.rnn.pad_sequence(clips, True, padding_value=3.0)
        return speech, torch.tensor(lengths)

    return make


@pytest.fixture(scope="session")
def make_set():
    """Function: write a data directory (wav.scp, utt2mos, utt2sys) of given clips."""
    import soundfile

    from espnet2_distilmos.utils.datadir import DataDir

    def make(folder: Path, clips, rate: int = 16000, mos=None, systems=None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        wavs = {}
        for utt, samples in sorted(clips.items()):
            wavs[utt] = str(folder / f"{utt}.wav")
            soundfile.write(wavs[utt], samples, rate, subtype="FLOAT")
        DataDir(wavs, mos, systems).save(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, wavlm_conf, noise, make_set):
    """Stages 1 to 4 on noise: 12 training and 10 validation clips of 10 systems.

    Attributes: `raw`, `kmeans` and `stats` (folders with one subfolder a set),
    `frames`, `upstream` (YAML file), `conf` (its content) and `provenance`.
    """
    from stages import dump_frames, train_kmeans, write_tokens

    from espnet2_distilmos.corpora.format_audio import format_audio
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.train.stats import collect_stats
    from espnet2_distilmos.utils.files import write_yaml

    root = tmp_path_factory.mktemp("corpus")
    made = SimpleNamespace(
        raw=root / "raw",
        frames=root / "frames",
        kmeans=root / "kmeans",
        stats=root / "stats",
        provenance=root / "kmeans/provenance.yaml",
        upstream=root / "conf/tiny.yaml",
        conf=wavlm_conf("post", 3),
    )
    write_yaml(made.upstream, made.conf)
    for n, dset in ((12, "train"), (10, "valid")):
        clips, mos, systems = {}, {}, {}
        for i in range(n):
            utt = f"{dset}{i:02d}"
            loudness = (i * 7 % n + 1) / n
            clips[utt] = loudness * noise(100 * n + i, 6000 + 500 * i)
            mos[utt] = 1 + 4 * loudness
            systems[utt] = f"s{i % 10}"
        make_set(root / "data" / dset, clips, mos=mos, systems=systems)
        format_audio(root / "data" / dset, made.raw / dset)
    conf = UpstreamConfig.from_dict(made.conf, "test")
    dump_frames(made.raw / "train", conf, made.frames)
    train_kmeans(made.frames, made.kmeans, n_clusters=8)
    write_tokens([made.raw / "train", made.raw / "valid"], conf, made.kmeans)
    for dset in ("train", "valid"):
        tokens = made.kmeans / dset / "tokens.scp"
        collect_stats(made.raw / dset, made.stats / dset, tokens)
    return made


TINY_WAVLM = {
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "encoder_layers": 4,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 64,
    "encoder_attention_heads": 4,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 80,
    "gru_rel_pos": True,
}


# What a training on mini_mos writes into config.yaml.
PESQ_LABELS = [
    {
        "corpus": "mini_mos",
        "kind": "objective",
        "name": "PESQ MOS-LQO",
        "detail": "ITU-T P.862.2",
        "scale": [1.0, 4.644],
        "licence": "CC BY-SA 3.0",
    }
]


def make_model(folder, seed=0, predictor="distilmos", logits=None, wavlm=None, **conf):
    """Write config.yaml, model.pth and original.pt (the upstream before training).

    The weights of model.pth differ from those of original.pt everywhere, as after
    fine-tuning. `logits` are those of the layer weighting.
    """
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.model.upstream.checkpoint import write_random_wavlm

    folder.mkdir(parents=True, exist_ok=True)
    original = folder / "original.pt"
    write_random_wavlm(original, seed, {**TINY_WAVLM, **(wavlm or {})})
    if predictor == "distilmos":
        conf = {"hidden_size": 16, **conf}
    upstream_conf = {"upstream": "wavlm_local", "path_or_url": "original.pt"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(
            {**upstream_conf, "path_or_url": str(original)}, predictor, conf
        )
        with torch.no_grad():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value.mul_(1 + 0.05 * torch.randn_like(value))
            if logits is not None:
                network.predictor.weighting.logits.copy_(torch.tensor(logits))
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    if predictor == "distilmos":  # as in training; dropped for scoring
        states["network.predictor.token_heads.heads.0.0.bias"] = torch.zeros(16)
    torch.save(states, folder / "model.pth")
    config = {
        "upstream_conf": upstream_conf,
        "predictor": predictor,
        "predictor_conf": conf,
        "loss_conf": {"token_weight": 0.3},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def make_speech(seconds, rate=16000, seed=0, channels=1):
    """Noise with a changing level: (n,), or (n, channels)."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    shape = (n,) if channels == 1 else (n, channels)
    level = 0.05 + 0.04 * np.sin(2 * np.pi * 3 * np.arange(n) / rate)
    level = level.reshape(-1, *[1] * (len(shape) - 1))
    return (level * rng.standard_normal(shape)).astype(np.float32)


def write_wav(path, seconds, rate=16000, seed=0, channels=1, **options):
    """Write such a sound; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, make_speech(seconds, rate, seed, channels), rate, **options)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a tiny model."""
    return make_model(tmp_path_factory.mktemp("tiny") / "exp")


@pytest.fixture(scope="session")
def pesq_model(tmp_path_factory):
    """Folder of a tiny model that was trained on objective labels."""
    folder = make_model(tmp_path_factory.mktemp("pesq") / "exp")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["label_conf"] = PESQ_LABELS
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="session")
def engine(tiny_model):
    """The engine with that model."""
    from espnet2_distilmos.inference.engine import DistilMOSInference

    return DistilMOSInference(tiny_model / "config.yaml", tiny_model / "model.pth")


@pytest.fixture(scope="session")
def tools():
    """The makers of this file, since test modules cannot import each other."""

    class Tools:
        model = staticmethod(make_model)
        pesq_labels = PESQ_LABELS
        speech = staticmethod(make_speech)
        wav = staticmethod(write_wav)

    return Tools
