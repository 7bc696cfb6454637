"""Where the experiment runs, and what lies where."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.failure import ended_with
from mini_mos.experiment.plan import Run

# One thread a process: runs lie side by side, and sums do not depend on threads.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """Folders, and what every run is given.

    Attributes:
        recipe: folder of the recipe, with distilmos.sh, conf/ and data/; commands are
            run in it, and relative paths start there.
        output: results of the experiment.
        dumpdir: audio and tokens, one folder a training set.
        ngpu: GPUs a run.
        local_data_opts: options of local/data.sh, as in the recipe.
    """

    recipe: Path
    output: Path
    dumpdir: Path
    ngpu: int = 0
    local_data_opts: str = ""

    def run_dir(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.output / "runs" / run.name

    def stamp(self, run: Run) -> Path:
        """Return the file that is there once the run is whole."""
        return self.run_dir(run) / "done.yaml"

    def dump(self, train_set: str) -> Path:
        """Return formatted audio, frames and tokens of a training set.

        Tokens are learned from the very clips that are trained on, so training sets
        do not share them.
        """
        return self.dumpdir / train_set

    def kmeans(self, train_set: str, upstream: str, k: int) -> Path:
        """Return where distilmos.sh keeps the centroids."""
        name = Path(upstream).stem
        return self.dump(train_set) / "ssl" / name / f"kmeans_{k}"


def call(place: Place, command: Sequence[object], log: Path) -> None:
    """Run a command in the recipe's folder; what it says is appended to `log`.

    Raises:
        UserError: it failed; names the log and what is probably the reason.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    env = {**os.environ, **dict.fromkeys(_THREADS, "1")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    with open(log, "ab") as f:
        f.write(f"$ {' '.join(words)}\n".encode())
        f.flush()
        start = f.tell()
        done = subprocess.run(
            words,
            cwd=place.recipe,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=f,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            f.seek(start)
            lines = [line.strip() for line in f if line.strip()]
        told = [line for line in lines if "rror" in line] or lines or ["no output"]
        raise UserError(
            f"{log}: {Path(words[0]).name} {ended_with(done.returncode)}: {told[-1]}"
        )
