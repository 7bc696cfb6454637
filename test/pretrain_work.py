"""The commands of the pretraining, one after the other, on made-up speech."""

from pathlib import Path

import soundfile
import yaml
from made_speech import speech_like
from tiny_upstreams import RECIPE_UPSTREAM

from espnet2_distilmos.utils.command import run
from mini_mos.bin import export_upstream, pretrain, pretrain_corpus

CONFIG = {
    "seed": 3,
    "corpus": {"valid_share": 0.2, "degraded": 0.5, "repeats": {"mini_mos": 2}},
    "model": {
        **RECIPE_UPSTREAM["random_init"]["config"],
        "dropout": 0.1,  # so that a resumed run must draw the same
        "attention_dropout": 0.0,
    },
    "finetune": {"dropout": 0.0},
    "targets": {
        "bands": 4,
        "band_clusters": 6,
        "layers": [1, 2],
        "layer_clusters": 5,
        "layer_weight": 0.5,
        "clips": 8,
        "max_frames": 400,
    },
    "train": {"batch": 3, "crop": 1.0, "save_steps": 5, "valid_batches": 2},
    "iterations": [{"steps": 10, "lr": 0.01, "warmup": 2}, {"steps": 10, "lr": 0.003}],
}


def write_speech(folder: Path) -> None:
    """Prompts of four languages, and two voices of a collection."""
    speakers = [f"mini_mos/{la}" for la in ("en", "es", "it", "ru")]
    speakers += ["more/game_cs/m", "more/game_cs/v"]
    for s, speaker in enumerate(speakers):
        (folder / speaker).mkdir(parents=True)
        for i in range(10):
            name = f"line{i}" if "more" in speaker else f"p{i}"
            path = folder / speaker / f"{name}.wav"
            soundfile.write(path, speech_like(100 * s + i, 1.2), 16000)


class Work:
    """A folder in which the commands run one after the other."""

    def __init__(self, folder: Path, conf: dict = CONFIG):
        self.folder, self.speech = folder, folder / "speech"
        self.corpus = folder / "corpus"
        self.config = folder / "conf.yaml"
        self.config.write_text(yaml.safe_dump(conf))

    def make_corpus(self) -> int:
        options = [
            "--pretrain_config",
            str(self.config),
            "--speech_dir",
            str(self.speech),
        ]
        options += ["--output_dir", str(self.corpus), "--nj", "1"]
        return run(pretrain_corpus.main, options)

    def train(self, iteration: int, out: str) -> int:
        options = [
            "--pretrain_config",
            str(self.config),
            "--corpus_dir",
            str(self.corpus),
        ]
        options += ["--output_dir", str(self.folder / out)]
        options += ["--iteration", str(iteration)]
        if iteration > 1:
            previous = self.folder / f"{out[:-1]}{iteration - 1}" / "model.pt"
            options += ["--previous", str(previous)]
        return run(pretrain.main, options)

    def export(self, model: str, out: str) -> int:
        options = [
            "--pretrain_config",
            str(self.config),
            "--corpus_dir",
            str(self.corpus),
        ]
        options += ["--checkpoint", str(self.folder / model)]
        return run(export_upstream.main, [*options, "--output", str(self.folder / out)])
