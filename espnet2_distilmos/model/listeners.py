"""Listener modelling: who hears a clip is part of what is predicted."""

from typing import Optional, Sequence

import torch

# Number of the listener who gives mean scores; the others count from 1.
MEAN_LISTENER = 0


class ListenerEmbedding(torch.nn.Module):
    """A vector a listener, and one for the mean listener.

    The mean listener (LDNet, arXiv 2110.09103; UTMOS, arXiv 2204.02152) is a row of
    its own that is trained on the clips' mean scores; it is the one that scores at
    inference. All start at zero, as if everybody heard alike.

    Args:
        names: of the listeners; number i + 1 belongs to `names[i]`.
        size: channels of a vector.
    """

    def __init__(self, names: Sequence[str], size: int):
        super().__init__()
        self.names = tuple(names)
        self.table = torch.nn.Parameter(torch.zeros(1 + len(names), size))

    def forward(
        self, n_clips: int, pairs: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """Return vectors: the mean listener's for all clips, then those of `pairs`.

        Args:
            n_clips: number of clips (B).
            pairs: (P, 2) rows of the batch and listener numbers, or None.

        Returns:
            (B + P, size).
        """
        mean = self.table[MEAN_LISTENER].expand(n_clips, -1)
        if pairs is None:
            return mean
        return torch.cat([mean, self.table[pairs[:, 1]]])
