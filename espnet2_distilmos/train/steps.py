"""Which batches led to a step, and which could not."""

import logging
from typing import Any, Collection, Iterator, List, Sequence, Tuple

import torch

Batch = Tuple[List[str], Any]
SHOWN = 5  # steps in the summary of an epoch


class WatchedBatches:
    """Batches that remember which of them the model was not updated with.

    ESPnet's trainer leaves out a step whose gradients are not finite, and does not say
    whose they were.

    Args:
        batches: of an epoch, (IDs, data).
        optimizers: of the training.
        accum_grad: batches a step.
    """

    def __init__(
        self,
        batches: Collection[Batch],
        optimizers: Sequence[torch.optim.Optimizer],
        accum_grad: int = 1,
    ):
        self._batches, self._optimizers = batches, optimizers
        self._accum_grad = accum_grad
        self.n_batches = self.n_steps = 0
        self.left_out: List[List[str]] = []  # IDs of each step that was not made

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        made: List[bool] = []
        hooks = [
            optimizer.register_step_post_hook(lambda *_: made.append(True))
            for optimizer in self._optimizers
        ]
        utts: List[str] = []
        try:
            for utt_ids, batch in self._batches:
                utts += utt_ids
                yield utt_ids, batch
                # The trainer has done with it and asks for the next one.
                self.n_batches += 1
                if self.n_batches % self._accum_grad == 0:
                    self.n_steps += 1
                    if not made:
                        self._note(utts)
                    made.clear()
                    utts = []
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, utts: List[str]) -> None:
        self.left_out.append(utts)
        # An error, since only errors are logged by all processes of a training.
        logging.error(
            "the model was not updated, as the gradients are not finite: "
            f"{' '.join(utts)}"
        )

    def report(self) -> None:
        """Log how many steps of the epoch were left out, if any."""
        if self.left_out:
            logging.warning(
                f"{len(self.left_out)} of {self.n_steps} steps of this epoch were left "
                "out, as their gradients are not finite"
            )

    def why_none(self) -> str:
        """Return why an epoch without any step had none."""
        if not self.left_out:
            return (
                f"the epoch has {self.n_batches} batches and accum_grad is "
                f"{self._accum_grad}: no step was made; give more clips or lower it"
            )
        shown = "; ".join(" ".join(utts) for utts in self.left_out[:SHOWN])
        if len(self.left_out) > SHOWN:
            shown += f"; and {len(self.left_out) - SHOWN} more (in the log)"
        return (
            f"the gradients of all {len(self.left_out)} steps of this epoch are not "
            f"finite, training stops; look at these clips, or lower the learning rate: "
            f"{shown}"
        )
