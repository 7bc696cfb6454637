"""Masked prediction: the training loop of one iteration.

What is drawn in a step depends on the seed and the number of the step alone, so a run
that goes on from a checkpoint gives the same weights as one that was never stopped.
"""

import logging
import math
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import torch
from torch.nn.functional import cross_entropy

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    sha256_file,
)
from mini_mos.corpus.signal import generator
from mini_mos.pretrain.config import SSLConfig, TrainConfig
from mini_mos.pretrain.corpus import SSLCorpus
from mini_mos.pretrain.curve import write_curve
from mini_mos.pretrain.model import MaskedPredictor, draw_mask
from mini_mos.pretrain.targets import Targets, load_targets

Statistics = Dict[str, float]


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the rate of a step, from 0: linear warm-up, then a half cosine down."""
    low = config.final_lr
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    return config.lr * warm * (cosine * (1 - low) + low)


def masked_loss(
    logits: List[torch.Tensor],
    labels: torch.Tensor,
    mask: torch.Tensor,
    weights: List[float],
    unmasked_weight: float,
) -> Tuple[torch.Tensor, Statistics]:
    """Return cross-entropy on masked and on other frames, averaged over the code books.

    Args:
        logits: of each code book (B, T, k).
        labels: (B, T, code books).
        mask: (B, T), true where the model did not see the frame.
        weights: of the code books.
        unmasked_weight: of the frames that were seen.

    Returns:
        The loss, and `loss`, `masked_acc`, `unmasked_acc` (the mean of all books).
    """
    loss = labels.new_zeros((), dtype=torch.float32)
    hits = []
    for j, (score, weight) in enumerate(zip(logits, weights)):
        entropy = cross_entropy(score.transpose(1, 2), labels[..., j], reduction="none")
        part = entropy[mask].mean() + unmasked_weight * entropy[~mask].mean()
        loss = loss + weight * part
        right = score.detach().argmax(-1) == labels[..., j]
        hits.append((right[mask].float().mean(), right[~mask].float().mean()))
    masked, unmasked = (torch.stack(h).mean().item() for h in zip(*hits))
    value = loss.item()
    return loss, {"loss": value, "masked_acc": masked, "unmasked_acc": unmasked}


class Pretrainer:
    """One iteration at work.

    Args:
        corpus: of stage 1.
        targets: what to predict.
        config: all hyperparameters.
        iteration: counted from 1.
        init: last iteration's `{"cfg", "model"}` to start from; None = random.
        device: `cpu` or `cuda`.
    """

    def __init__(
        self,
        corpus: SSLCorpus,
        targets: Targets,
        config: SSLConfig,
        iteration: int,
        init: Optional[Dict[str, Any]],
        device: str = "cpu",
    ) -> None:
        self.options = config.iterations[iteration - 1]
        self.corpus, self.device = corpus, device
        self.targets = targets.to(device)
        self.weights = targets.weights(config.targets.layer_weight)
        self.seed = (config.seed, "ssl", "iteration", iteration)
        self.length = round(self.options.crop * SAMPLE_RATE)
        # A shorter clip would be repeated more than once.
        self.clips = {p: corpus.part(p, self.length // 2) for p in ("train", "valid")}
        torch.manual_seed(self._number("init"))
        self.model = MaskedPredictor(config.model, targets.sizes).to(device)
        if init is not None:
            self.model.wavlm.load_state_dict(init["model"])
        self.frames = self.model.frames(self.length)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.options.lr,
            betas=(0.9, self.options.beta2),
            weight_decay=self.options.weight_decay,
        )
        self.step = 0
        self.history: List[Statistics] = []

    def _number(self, *names: object) -> int:
        return int(generator(*self.seed, *names).integers(2**31))

    def _batch(self, part: str, number: int) -> Tuple[torch.Tensor, Statistics]:
        o = self.options
        rng = generator(*self.seed, part, number)
        crops = self.corpus.crops(self.clips[part], o.batch, self.length, rng)
        mask = draw_mask(rng, o.batch, self.frames, o.mask_start, o.mask_length)
        x, mask = torch.from_numpy(crops).to(self.device), mask.to(self.device)
        labels = self.targets(x)
        logits = self.model(x, mask)
        return masked_loss(logits, labels, mask, self.weights, o.unmasked_weight)

    def update(self) -> Statistics:
        """Take one step."""
        lr = learning_rate(self.options, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.model.train()
        torch.manual_seed(self._number("dropout", self.step))
        loss, statistics = self._batch("train", self.step)
        if not math.isfinite(statistics["loss"]):
            raise UserError(
                f"step {self.step + 1}: the loss is {statistics['loss']}; lower lr"
            )
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        self.step += 1
        return statistics

    @torch.no_grad()
    def validate(self) -> Statistics:
        """Return the mean over the same crops and masks every time."""
        self.model.eval()
        found = [self._batch("valid", i)[1] for i in range(self.options.valid_batches)]
        return _mean(found)

    def run(self, folder: Path, request: Dict[str, Any]) -> None:
        """Train to the last step; checkpoint, table and plot go to `folder`."""
        o, recent, started, first = self.options, [], time.monotonic(), self.step
        while self.step < o.steps:
            recent.append(self.update())
            if self.step % o.save_steps and self.step < o.steps:
                continue
            row = {"step": self.step, "lr": learning_rate(o, self.step - 1)}
            row.update(_mean(recent))
            row.update({f"valid_{k}": v for k, v in self.validate().items()})
            self.history.append(row)
            recent = []
            self.save(folder / "checkpoint.pt", request)
            write_curve(folder, self.history)
            a_second = (self.step - first) / (time.monotonic() - started)
            logging.info(
                f"step {self.step}/{o.steps}, {a_second:.2f} a second: "
                f"loss {row['loss']:.3f}, valid {row['valid_loss']:.3f}, masked "
                f"accuracy {row['valid_masked_acc']:.3f}, unmasked "
                f"{row['valid_unmasked_acc']:.3f}"
            )

    def save(self, path: Path, request: Dict[str, Any]) -> None:
        """Write all that a run needs to go on."""
        content = {
            "request": request,
            "step": self.step,
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with atomic_path(path) as tmp:
            torch.save(content, tmp)

    def resume(self, path: Path, request: Dict[str, Any]) -> None:
        """Go on from a checkpoint, if there is one of the same request."""
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True, map_location=self.device)
        if saved["request"] != request:
            logging.warning(f"{path}: made with other options; starting anew")
            return
        self.step, self.history = saved["step"], saved["history"]
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        logging.info(f"{path}: going on from step {self.step}")


def _mean(found: List[Statistics]) -> Statistics:
    return {k: sum(s[k] for s in found) / len(found) for k in found[0]} if found else {}


def train_iteration(
    corpus_dir: PathLike,
    targets_path: PathLike,
    config: SSLConfig,
    iteration: int,
    output_dir: PathLike,
    init: Optional[PathLike] = None,
    device: str = "cpu",
) -> None:
    """Train one iteration, or go on with it; do nothing if it is done.

    Writes `checkpoint.pt` (all that is needed to go on), `curve.tsv`, `curve.png`, and
    last `model.pt`, `{"cfg", "model"}` as S3PRL's WavLM, float32.

    Args:
        corpus_dir: folder of stage 1.
        targets_path: of :func:`mini_mos.pretrain.targets.learn_targets`.
        config: all hyperparameters.
        iteration: counted from 1.
        output_dir: folder to write.
        init: last iteration's `model.pt`; None = random weights.
        device: `cpu` or `cuda`.

    Raises:
        UserError: something of an earlier stage is missing, the loss is no number, or
            another run is at work in `output_dir`.
    """
    folder = Path(output_dir)
    if not 1 <= iteration <= len(config.iterations):
        raise UserError(f"iteration {iteration}: there are {len(config.iterations)}")
    corpus, targets = SSLCorpus(corpus_dir), load_targets(targets_path)
    if init is not None and not Path(init).exists():
        raise UserError(f"{init}: no such file; train the iteration before first")
    plain = config.to_dict()
    request = {
        "corpus": corpus.identity,
        "targets_sha256": sha256_file(targets_path),
        "init_sha256": sha256_file(init) if init else None,
        "seed": config.seed,
        "model": plain["model"],
        "layer_weight": config.targets.layer_weight,
        "train": plain["iterations"][iteration - 1],
    }
    start = torch.load(init, weights_only=True) if init else None
    with folder_lock(folder):
        job = Pretrainer(corpus, targets, config, iteration, start, device)
        job.resume(folder / "checkpoint.pt", request)
        if job.step == job.options.steps and (folder / "model.pt").exists():
            logging.info(f"{folder}: already trained, nothing to do")
            return
        job.run(folder, request)
        wavlm = job.model.wavlm
        weights = {k: v.cpu() for k, v in wavlm.state_dict().items()}
        with atomic_path(folder / "model.pt") as tmp:
            torch.save({"cfg": dict(vars(wavlm.cfg)), "model": weights}, tmp)
