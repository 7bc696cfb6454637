"""How much of the pretrained upstream a training has left, told by its tokens."""

import argparse
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import torch

from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.model.token_loss import IGNORE_TOKEN, SOFT
from espnet2_distilmos.tokens.labels import nearest_centroid, read_centroids
from espnet2_distilmos.tokens.standard import read_standard
from espnet2_distilmos.train.options import uses_tokens
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


class TokenKept:
    """The share of frames whose nearest centroid is still their pretrained token.

    The centroids are those of the pretrained upstream; the states, in eval mode, those
    of the upstream as it is now. The frames keep near to 1 of their tokens as long as
    nothing is trained, and lose them as the states move away, whether or not the heads
    can still tell the tokens. Of several codebooks the first counts.

    Args:
        network: of the training; its upstream's states are noted whenever it runs.
        kmeans_dir: folder of stage 3 with the centroids.
        columns: of the token matrices, in the order of the network's target layers, a
            layer's codebooks together.
        provenance: of the centroids; None = of states that are not standardised.

    Raises:
        UserError: no such file, or centroids of another size.
    """

    def __init__(
        self,
        network: MOSNetwork,
        kmeans_dir: PathLike,
        columns: Sequence[int],
        provenance: Optional[Mapping[str, Any]] = None,
    ):
        self._layers = network.predictor.target_layers
        self._columns = columns[:: network.predictor.n_codebooks]
        self._numbers = network.upstream.layers
        size = network.upstream.hidden_size
        self._centroids = [
            read_centroids(kmeans_dir, layer, size, needed_by="--token_kept true")
            for layer in self._layers
        ]
        self._standards = [
            read_standard(kmeans_dir, layer, provenance or {}, size)
            for layer in self._layers
        ]
        self._states: Optional[Tuple[List[torch.Tensor], torch.Tensor]] = None
        network.upstream.register_forward_hook(self._note)

    def _note(self, upstream: torch.nn.Module, _: Any, output: Any) -> None:
        self._states = None if upstream.training else output

    @torch.no_grad()
    def share(self, tokens: torch.Tensor) -> torch.Tensor:
        """Compare the states that the upstream gave last with their tokens.

        Args:
            tokens: (B, T, L x C) of all layers, IGNORE_TOKEN in padded frames.

        Returns:
            () share of frames and layers, in [0, 1].
        """
        if self._states is None:
            raise RuntimeError("the upstream has not run in eval mode")
        states, _ = self._states
        self._states = None
        same = []
        for layer, column, centroids, standard in zip(
            self._layers, self._columns, self._centroids, self._standards
        ):
            found = states[self._numbers.index(layer)]
            wanted = tokens[:, : found.size(1), column]
            valid = wanted != IGNORE_TOKEN
            frames = found[valid] if standard is None else standard.of(found[valid])
            nearest = nearest_centroid(frames, centroids.to(found.device))
            same.append((nearest == wanted[valid]).float())
        return torch.cat(same).mean()


def folder_of_centroids(args: argparse.Namespace) -> Optional[Path]:
    """Return the folder with the centroids if `token_kept` or soft targets need them.

    None where they do not, or where a model is built from its saved configuration,
    which names no such folder.

    Raises:
        UserError: a training without tokens.
    """
    kept = getattr(args, "token_kept", False)  # not in an older configuration
    conf = args.loss_conf if isinstance(args.loss_conf, dict) else {}
    if not kept and conf.get("token_targets") != SOFT:
        return None
    if kept and not uses_tokens(args.loss_conf):
        raise UserError(
            "--token_kept true needs the tokens of a training with the token loss; "
            "leave it out, or set loss_conf token_weight above 0"
        )
    provenance = args.token_provenance
    return None if provenance is None else Path(provenance).parent
