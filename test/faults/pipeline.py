"""Stages 1 to 6 on a few clips, each command in a forked child that can be killed.

Forked, since a command costs a fraction of a second then, and not the 4 to 20 s that
importing torch and ESPnet takes. The commands are those of distilmos.sh.
"""

import contextlib
import hashlib
import importlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import soundfile
import tiny_upstreams
import torch
import yaml

from espnet2_distilmos.utils import files

TRAIN = {
    "predictor_conf": {"hidden_size": 8},
    "loss_conf": {"token_weight": 0.3},
    "optim": "adamw",
    "optim_conf": {"lr": 0.003},
    "best_model_criterion": [["valid", "srcc", "max"]],
    "keep_nbest_models": 2,
    "max_epoch": 4,
    "batch_type": "numel",
    "batch_bins": 40000,
    "grad_clip": 1.0,
    "num_workers": 0,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "num_att_plot": 0,
    "seed": 7,
}
# What the commands import; loaded once, before the first fork.
MODULES = (
    "kaldiio",
    "matplotlib.pyplot",
    "s3prl.upstream.wavlm.expert",
    "sklearn.cluster",
    "sklearn.ensemble",
    "soxr",
    "espnet2_distilmos.corpora.own_csv.prepare",
    "espnet2_distilmos.inference.scp",
    "espnet2_distilmos.report.plots",
    "espnet2_distilmos.report.trees",
    "espnet2_distilmos.tasks.distilmos",
    "espnet2_distilmos.tokens.labels",
    "espnet2_distilmos.tokens.layer_statistics",
)


def make_corpus(folder: Path) -> Path:
    """A CSV of 26 clips, a tiny upstream, settings of a training; returns `folder`."""
    rows = ["wav,mos,system,split"]
    (folder / "wavs").mkdir(parents=True)
    for dset, n in (("train", 10), ("valid", 6), ("test", 10)):
        for i in range(n):
            rng = np.random.default_rng([n, i])
            # Every other file is no 16 kHz mono and is converted by stage 1.
            rate, channels = ((16000, 1), (22050, 2))[i % 2]
            loudness = (1 + i * 7 % n) / n
            size = (int(rate * rng.uniform(0.4, 0.7)), channels)
            name = f"wavs/{dset} {i:02d}.wav"
            samples = 0.2 * loudness * rng.standard_normal(size)
            soundfile.write(folder / name, samples, rate)
            rows.append(f"{name},{1 + 4 * loudness:.2f},s{i % 10},{dset}")
    (folder / "scores.csv").write_text("\n".join(rows) + "\n")
    conf = tiny_upstreams.make("wavlm", folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(conf))
    (folder / "train.yaml").write_text(yaml.safe_dump(TRAIN))
    return folder


@dataclass
class Step:
    """A command of `bin/` (or a function of ours) and its options."""

    stage: int
    name: str
    argv: List[str]
    work: Optional[Callable[[], None]] = None


@dataclass
class Kill:
    """When to send a signal: at an operation on a file, or so long after it.

    Attributes:
        operation: counted from 1: a file opened to be written, a rename, removal...
        delay: seconds; 0 = before the operation is done.
        signum: SIGKILL or SIGTERM.
    """

    operation: int
    delay: float = 0.0
    signum: int = signal.SIGKILL


@dataclass
class Outcome:
    """How a step ended: exit code (negative: a signal), operations seen, seconds."""

    code: int
    operations: int = 0
    seconds: float = 0.0
    log: str = field(default="", repr=False)


def steps(corpus: Path, nj: int = 2, **train: Any) -> List[Step]:
    """The commands of `./run.sh --stage 1 --stop_stage 6`, to be run in a folder."""
    found: List[Step] = []

    def add(stage: int, name: str, *argv: object) -> None:
        found.append(Step(stage, name, [str(a) for a in argv]))

    def array(stage: int, name: str, *argv: object) -> None:
        for job in range(1, nj + 1):
            add(stage, name, *argv, "--nj", nj, "--job", job)
        add(stage, name, *argv, "--combine")

    sets = ("train", "valid", "test")
    ssl, kmeans, exp = "dump/ssl/frames", "dump/ssl/kmeans_6", "exp/mos_tiny"
    upstream = ("--upstream_config", corpus / "tiny.yaml")
    shards = ("--shard_seconds", "1.0")
    add(1, "prepare_csv", "--csv", corpus / "scores.csv", "--data_dir", "data")
    add(
        *(1, "format_audio", "--output_dir", "dump/raw"),
        *("--data_dirs", *(f"data/{s}" for s in sets)),
    )
    array(
        *(2, "dump_layers", "--data_dir", "dump/raw/train", "--output_dir", ssl),
        *("--max_frames", 200, *upstream, *shards),
    )
    array(
        *(3, "cluster_layers", "--frames_dir", ssl, "--output_dir", kmeans),
        *("--n_clusters", 6),
    )
    array(
        *(3, "tokenize_layers", "--data_dirs", "dump/raw/train", "dump/raw/valid"),
        *("--kmeans_dir", kmeans, *upstream, *shards),
    )
    data = []
    for part in ("train", "valid"):
        tokens = f"{kmeans}/{part}/tokens.scp"
        raw, stats = f"dump/raw/{part}", f"exp/stats/{part}"
        add(
            *(4, "collect_stats", "--data_dir", raw, "--output_dir", stats),
            *("--tokens_scp", tokens),
        )
        for value in (
            f"{raw}/wav.scp,speech,sound",
            f"{raw}/utt2mos,mos,text_float",
            f"{raw}/utt2sys_id,system,text_int",
            f"{tokens},tokens,kaldi_ark",
        ):
            data += [f"--{part}_data_path_and_name_and_type", value]
        data += [f"--{part}_shape_file", f"{stats}/speech_shape"]
    add(
        *(5, "distilmos_train", "--config", corpus / "train.yaml", *upstream, *data),
        *("--token_provenance", f"{kmeans}/provenance.yaml"),
        *("--output_dir", exp, "--resume", "true"),
        *(x for k, v in train.items() for x in (f"--{k}", v)),
    )
    add(5, "plot_training", "--exp", exp)
    sets = ("--data_dirs", "dump/raw/test", "--root", "dump/raw")
    array(
        *(6, "distilmos_inference", *sets, "--output_dir", f"{exp}/inference"),
        *("--model_file", f"{exp}/valid.srcc.best.pth", *shards),
    )
    add(
        *(6, "score_sets", *sets, "--hyp_dir", f"{exp}/inference"),
        *("--rows_dir", "exp/reference_rows", "--train_dir", "dump/raw/train"),
        *upstream,
    )
    return found


def preload() -> None:
    """Import what the commands need, in this process, which is then forked."""
    import matplotlib

    matplotlib.use("Agg")
    for name in MODULES:
        importlib.import_module(name)


def run_step(
    step: Step,
    folder: Path,
    kill: Optional[Kill] = None,
    timeout: float = 600.0,
    log: Optional[Path] = None,
) -> Outcome:
    """Run a step in a forked child, in `folder`.

    Its output goes to `log`, behind what is there (default: steps.log in `folder`).
    """
    seen, tell = os.pipe()
    log = log or folder / "steps.log"
    sys.stdout.flush()
    sys.stderr.flush()
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(seen)
        _child(step, folder, log, tell, kill)
    os.close(tell)
    # A child that hangs is a fault; without this the harness would hang with it.
    watchdog = threading.Timer(timeout, os.killpg, (pid, signal.SIGABRT))
    watchdog.start()
    operations = 0
    try:
        # The child tells the number of the operation it is at, 8 bytes each.
        while message := os.read(seen, 8):
            operations = int.from_bytes(message, "big")
            if kill is not None and kill.delay > 0 and operations == kill.operation:
                time.sleep(kill.delay)
                os.kill(pid, kill.signum)
                break
        status = os.waitpid(pid, 0)[1]
    finally:
        watchdog.cancel()
        os.close(seen)
    code = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begin
    return Outcome(code, operations, seconds, log.read_text(errors="replace"))


def _child(step: Step, folder: Path, log: Path, tell: int, kill: Optional[Kill]):
    code = 1
    try:
        os.setpgid(0, 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", buffering=1, closefd=False)
        root = logging.getLogger()
        root.handlers.clear()
        root.setLevel(logging.WARNING)
        os.chdir(folder)
        files._cleared.clear()  # as in a process of its own
        sys.argv = [step.name, *step.argv]
        print(f"# {step.name} {' '.join(step.argv)}", flush=True)
        sys.addaudithook(_Watch(str(folder), tell, kill))
        if step.work is not None:
            step.work()
            code = 0
        else:
            from espnet2_distilmos.utils.command import run

            module = importlib.import_module(f"espnet2_distilmos.bin.{step.name}")
            code = run(module.main, step.argv)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):  # a full disk
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Watch:
    """Audit hook: counts operations that change files, tells them and stops at one."""

    EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
    WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def __init__(self, folder: str, tell: int, kill: Optional[Kill]):
        self.folder, self.tell, self.kill = folder, tell, kill
        self.count = 0

    def __call__(self, event: str, args: Any) -> None:
        if event == "open":
            path, _, flags = args
            if not isinstance(flags, int) or not flags & self.WRITING:
                return
        elif event in self.EVENTS:
            path = args[0]
        else:
            return
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(self.folder + os.sep):
            return
        self.count += 1
        os.write(self.tell, self.count.to_bytes(8, "big"))
        kill = self.kill
        if kill is not None and kill.delay == 0 and self.count == kill.operation:
            os.kill(os.getpid(), kill.signum)


def run_all(todo: List[Step], folder: Path) -> List[Outcome]:
    """Run steps one after the other.

    Raises:
        AssertionError: one of them failed; has the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = []
    for step in todo:
        outcome = run_step(step, folder)
        if outcome.code != 0:
            raise AssertionError(
                f"{folder}: {step.name}: {outcome.code}\n{outcome.log[-3000:]}"
            )
        done.append(outcome)
    return done


def results(folder: Path) -> Dict[str, Any]:
    """What a run left: path -> digest of its content, of links their target.

    Pictures only by name. Of models and checkpoints the weights and the states of
    optimizers and schedulers; the rest of a checkpoint is times.
    """
    tops = (folder / top for top in ("data", "dump", "exp"))
    paths = sorted(path for top in tops for path in _files(top))
    return {str(path.relative_to(folder)): result_of(path) for path in paths}


def result_of(path: Path) -> Any:
    """What :func:`results` has of one file."""
    if path.is_symlink():
        return os.readlink(path)
    if path.suffix == ".png":
        return path.stat().st_size > 0
    if path.suffix == ".pth":
        return digest_of_states(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(top: Path) -> List[Path]:
    return [
        p
        for p in top.rglob("*")
        if (p.is_symlink() or p.is_file()) and not p.name.startswith(".")
    ]


def leftovers(folder: Path) -> List[str]:
    """Temporary files, below `folder`."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob(".*.tmp*"))


def digest_of_states(path: Path) -> str:
    """Digest of the weights (and optimizers, schedulers) in a file of torch."""
    states = torch.load(path, map_location="cpu", weights_only=True)
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(str((value.dtype, tuple(value.shape))).encode())
            digest.update(value.contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                if key != "reporter":
                    digest.update(str(key).encode())
                    add(value[key])
        elif isinstance(value, (list, tuple)):
            for item in value:
                add(item)
        else:
            digest.update(repr(value).encode())

    add(states)
    return digest.hexdigest()
