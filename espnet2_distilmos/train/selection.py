"""Which epoch is the best: ESPnet's rule, with ties settled by the loss.

A rank correlation of a few clips takes few values. On six clips three epochs tied, and
the first of them, hardly trained, was taken.
"""

import contextlib
import logging
from typing import Collection, Iterator, List, Sequence, Tuple

import espnet2.train.trainer
from espnet2.train.reporter import Reporter

from espnet2_distilmos.report.curves import tie_loss
from espnet2_distilmos.utils.errors import UserError


class TieBreakingReporter(Reporter):
    """ESPnet's reporter; of epochs with the same value, the lower loss comes first.

    Where the losses are the same, too, it is the earlier epoch, as in ESPnet.
    """

    def sort_epochs_and_values(
        self, key: str, key2: str, mode: str
    ) -> List[Tuple[int, float]]:
        """See ESPnet's."""
        values = super().sort_epochs_and_values(key, key2, mode)
        sign = 1 if mode == "min" else -1
        return sorted(
            values, key=lambda x: (sign * x[1], tie_loss(self.stats[x[0]][key]))
        )

    def get_best_epoch(self, key: str, key2: str, mode: str, nbest: int = 0) -> int:
        """See ESPnet's; says so where this very epoch made or won a tie."""
        values = self.sort_epochs_and_values(key, key2, mode)
        best, value = values[nbest]
        tied = sorted(epoch for epoch, other in values if other == value)
        if len(tied) > 1 and self.get_epoch() in tied:
            epochs = ", ".join(map(str, tied))
            logging.info(
                f"{key}.{key2} is {value:.3f} in the epochs {epochs}: {best} is taken, "
                "whose loss is the lowest"
            )
        return best


def require_criteria(criteria: Sequence[Sequence[str]], known: Collection[str]) -> None:
    """Refuse criteria by which no epoch would ever be the best.

    Some of several may be there only on other sets: `sys_srcc` needs ten systems.

    Args:
        criteria: (`train` or `valid`, name, mode); those of `train` are not looked at.
        known: names of the figures of a validation.

    Raises:
        UserError: none of them is there.
    """
    for phase, name, *_ in criteria:
        if phase == "train" or (phase == "valid" and name in known):
            return
    asked = " ".join(",".join(criterion) for criterion in criteria)
    raise UserError(
        f"no best epoch can be told by {asked}: validation has no such figure (it has "
        f"{', '.join(known)}); see --best_model_criterion, --early_stopping_criterion"
    )


@contextlib.contextmanager
def settle_ties() -> Iterator[None]:
    """Make ESPnet's trainer use a :class:`TieBreakingReporter` in the block.

    It has no other place to say so.
    """
    plain = espnet2.train.trainer.Reporter
    espnet2.train.trainer.Reporter = TieBreakingReporter
    try:
        yield
    finally:
        espnet2.train.trainer.Reporter = plain
