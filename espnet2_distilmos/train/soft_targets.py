"""Soft targets of the token loss: how near a pretrained frame is to every centroid."""

from typing import Any, Dict, List, Mapping, Optional

import torch

from espnet2_distilmos.model.holding import ComparedStates
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.tokens.labels import distances, read_centroids
from espnet2_distilmos.tokens.provenance import n_codebooks_of
from espnet2_distilmos.tokens.standard import read_standard
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


class SoftTargets:
    """Probabilities of the tokens of pretrained frames.

    softmax(-squared distance / (temperature x inertia)), the inertia of a layer being
    the mean squared distance of its frames to their nearest centroids: so a temperature
    means the same in all layers, and near 0 the target is the token.

    Args:
        network: of the training, which gives pretrained states of its target layers.
        kmeans_dir: folder of stage 3 with the centroids.
        provenance: of these.
        temperature: above 0.

    Raises:
        UserError: several codebooks, no such file, or centroids of another size.
    """

    def __init__(
        self,
        network: MOSNetwork,
        kmeans_dir: PathLike,
        provenance: Mapping[str, Any],
        temperature: float,
    ):
        if n_codebooks_of(provenance) > 1:
            raise UserError(
                "loss_conf token_targets: soft is for one codebook a layer; make "
                "tokens with --n_codebooks 1"
            )
        size = network.upstream.hidden_size
        self._stride = network.predictor.stride
        self._layers = tuple(network.predictor.target_layers)
        self._centroids: Dict[int, torch.Tensor] = {}
        self._units: Dict[int, float] = {}
        for layer in self._layers:
            self._centroids[layer] = read_centroids(
                kmeans_dir, layer, size, needed_by="token_targets: soft"
            )
            inertia = (provenance.get("inertia") or {}).get(layer)
            if not isinstance(inertia, float) or not inertia > 0:
                raise UserError(
                    f"{kmeans_dir}/provenance.yaml: no inertia of layer {layer} above "
                    "0; run stage 3 again"
                )
            self._units[layer] = temperature * inertia
        self._standards = {
            layer: read_standard(kmeans_dir, layer, provenance, size)
            for layer in self._layers
        }

    @torch.no_grad()
    def of(self, states: Optional[ComparedStates]) -> List[torch.Tensor]:
        """Return a (B, T', k) tensor of probabilities a target layer, of each step.

        With strides a step has the target of its first frame, as of its token.

        Raises:
            RuntimeError: without pretrained states.
        """
        if states is None:
            raise RuntimeError("the upstream gives no pretrained states")
        found = []
        for layer in self._layers:
            frames = states.pretrained[states.layers.index(layer)][:, :: self._stride]
            standard, centroids = self._standards[layer], self._centroids[layer]
            flat = frames.flatten(0, 1)
            flat = flat if standard is None else standard.of(flat)
            with torch.autocast(flat.device.type, enabled=False):
                far = distances(flat, centroids.to(flat.device)) / self._units[layer]
                found.append((-far).softmax(-1).float().view(*frames.shape[:2], -1))
        return found
