"""The recipe of mini_mos in a folder of its own, with a tiny upstream."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import soundfile
import yaml
from made_speech import speech_like
from tiny_upstreams import RECIPE_UPSTREAM as UPSTREAM

REPO = Path(__file__).parents[1]
RECIPE = REPO / "egs2/mini_mos/distilmos1"
SETS = ("test", "test_system")
SIZES = "--n_train 40 --n_valid 12 --n_test 12 --n_test_speaker 4 --n_test_system 8"


class Recipe:
    """A recipe folder of its own, with the repository's scripts and settings."""

    def __init__(self, folder: Path):
        # A blank in the path, as on many a desktop.
        self.folder = folder / "egs2/my mos/distilmos1"
        self.folder.mkdir(parents=True)
        # path.sh leads to the repository; the rest is copied, since bash reads a script
        # while it runs it, and somebody may be writing it.
        (self.folder / "path.sh").symlink_to(REPO / "path.sh")
        for name in ("run.sh", "cmd.sh", "distilmos.sh"):
            shutil.copy(RECIPE / name, self.folder)
        for name in ("conf", "local", "utils"):
            shutil.copytree(RECIPE / name, self.folder / name)
        for speaker in range(3):
            (folder / f"speech/spk{speaker}").mkdir(parents=True)
            for i in range(10):
                path = folder / f"speech/spk{speaker}/p{i}.wav"
                soundfile.write(path, speech_like(100 * speaker + i), 16000)
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(UPSTREAM))
        self.options = {
            "local_data_opts": f"--speech_dir {folder}/speech {SIZES} --n_systems 8",
            "upstream": "tiny.yaml",
            "n_clusters": "10",
            "train_config": "conf/train_distilmos.yaml",
            "train_args": "--max_epoch 2 --num_workers 0"
            " --predictor_conf hidden_size=16",
            "tag": "tiny",
            "test_sets": " ".join(SETS),
        }

    def copy(self, folder: Path) -> "Recipe":
        """The folder with all that is in it, somewhere else."""
        copied = object.__new__(Recipe)
        copied.folder, copied.options = folder / "x/y/distilmos1", dict(self.options)
        # copy, not copy2: no date is kept.
        shutil.copytree(
            self.folder, copied.folder, symlinks=True, copy_function=shutil.copy
        )
        return copied

    def run(self, *args, **options) -> subprocess.CompletedProcess:
        """./run.sh with the options of the tests, changed by `options`."""
        given = {**self.options, **options}
        cmd = [x for name, value in given.items() for x in (f"--{name}", value)]
        return subprocess.run(
            ["./run.sh", *cmd, *args],
            cwd=self.folder,
            env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
            capture_output=True,
            text=True,
        )

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def state(self):
        """Time and size of all results: data, tokens, checkpoints, scores."""
        kinds = ("*.npy", "*.pth", "*.ark", "*.scp", "utt2*", "scores.json", "*.yaml")
        return {
            str(path.relative_to(self.folder)): (
                path.stat().st_mtime_ns,
                path.stat().st_size,
            )
            for top in ("data", "dump", "exp", "downloads")
            for kind in kinds
            for path in (self / top).rglob(kind)
            if "logdir" not in path.parts
        }
