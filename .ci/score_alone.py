#!/usr/bin/env python3
"""Check an install of the scorer alone, from a folder outside the repository.

    pip install '.[export]' && cd /tmp && python REPOSITORY/.ci/score_alone.py [OUT]

Writes a tiny model with random weights and a clip, scores it by command and from
Python, and compares. No ESPnet, no download. With OUT, the model is exported to
OUT/model.onnx and the clip written to OUT/a.wav, for the scorer without torch: in an
environment of `pip install .`

    distilmos score OUT/a.wav --model OUT/model.onnx
"""

import math
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import soundfile
import torch

import espnet2_distilmos
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.model.upstream.checkpoint import write_random_wavlm
from espnet2_distilmos.packs.pack import write_model

WAVLM = {
    "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(12,2,2)] * 2",
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "conv_pos": 8,
    "conv_pos_groups": 4,
}


def main() -> str:
    """Return what was found; raises AssertionError where something is wrong."""
    installed = Path(espnet2_distilmos.__file__).resolve()
    assert Path(__file__).resolve().parents[1] not in installed.parents, installed
    packages = {dist.metadata["Name"].lower() for dist in metadata.distributions()}
    assert not packages & {"espnet", "mini_mos"}, "not the scorer alone"
    with tempfile.TemporaryDirectory() as tmp:
        model, clip, upstream = (
            Path(tmp, "model"),
            Path(tmp, "a.wav"),
            Path(tmp, "u.pt"),
        )
        write_random_wavlm(upstream, 0, WAVLM)
        conf = {"upstream": "wavlm_local", "path_or_url": str(upstream)}
        settings = {"predictor": "distilmos", "predictor_conf": {"hidden_size": 16}}
        torch.manual_seed(0)
        network = build_network(conf, "distilmos", settings["predictor_conf"])
        write_model(model, network, {"upstream_conf": conf, **settings})
        samples = np.random.default_rng(0).normal(0, 0.1, 24000)
        soundfile.write(clip, samples, 24000)

        command = [Path(sys.executable).with_name("distilmos"), "score"]
        command += ["--model", model, "--format", "kaldi", clip]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told = float(done.stdout.split()[1])
        predictor = espnet2_distilmos.DistilMOSInference.from_pretrained(model)
        found = predictor(soundfile.read(clip)[0], fs=24000)["mos"]
        for out in sys.argv[1:]:
            command = [command[0], "export", model, "--output", Path(out, "model.onnx")]
            subprocess.run(command, check=True)
            soundfile.write(Path(out, "a.wav"), samples, 24000)
    assert math.isfinite(found) and abs(found - told) < 1e-4, (found, told)
    return (
        f"Python {sys.version.split()[0]}: {found:.6f} from Python, {told} by command"
    )


if __name__ == "__main__":
    print(main())
