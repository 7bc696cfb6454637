"""Where tokens come from, and whether they belong to an upstream."""

from typing import Any, Collection, Dict, List, Mapping

from espnet2_distilmos.model.upstream.config import (
    FINGERPRINT_DEFAULTS,
    FINGERPRINT_KEYS,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml


def is_count(value: Any) -> bool:
    """Tell whether `value` is a whole number over 0."""
    return type(value) is int and value > 0


def are_layers(value: Any) -> bool:
    """Tell whether `value` is a list of layer numbers; 0 is the input of block 1."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(type(layer) is int and layer >= 0 for layer in value)
    )


def read_provenance(path: PathLike) -> Dict[str, Any]:
    """Read the `provenance.yaml` of a k-means folder.

    Raises:
        UserError: unreadable, or not such a file.
    """
    provenance = read_yaml(path)
    if (
        not is_count(provenance.get("n_clusters"))
        or not is_count(n_codebooks_of(provenance))
        or not are_layers(provenance.get("layers"))
        or not isinstance(provenance.get("upstream"), dict)
    ):
        raise UserError(
            f"{path}: not a k-means provenance (n_clusters, layers, upstream); stage 3 "
            "writes it"
        )
    return provenance


def n_codebooks_of(provenance: Mapping[str, Any]) -> int:
    """Return the number of codebooks a layer, that is tokens a frame and layer."""
    # Not written where there is one: so it was before there was a choice.
    return provenance.get("n_codebooks", 1)


def require_tokens_of(
    provenance: Mapping[str, Any], fingerprint: Mapping[str, Any]
) -> None:
    """Refuse tokens that were made with another upstream.

    Args:
        provenance: from :func:`read_provenance`.
        fingerprint: of the upstream in use.

    Raises:
        UserError: names the first difference.
    """
    tokens_of = provenance["upstream"]
    for key in FINGERPRINT_KEYS:
        recorded = tokens_of.get(key, FINGERPRINT_DEFAULTS.get(key))
        if recorded != fingerprint[key]:
            raise UserError(
                f"the tokens were made with another upstream: {key} is "
                f"{recorded!r} for the tokens and {fingerprint[key]!r} here; "
                "run stages 2 and 3 with this upstream"
            )


def token_columns(
    token_conf: Mapping[str, Any], target_layers: Collection[int]
) -> List[int]:
    """Return the columns of the target layers, a layer's codebooks together.

    Raises:
        UserError: layers without tokens.
    """
    layers = list(token_conf["layers"])
    missing = sorted(set(target_layers) - set(layers))
    if missing:
        raise UserError(
            f"the tokens hold layers {layers}, but {missing} are to be predicted; run "
            "stages 2 and 3 again"
        )
    n = n_codebooks_of(token_conf)
    return [
        layers.index(layer) * n + codebook
        for layer in target_layers
        for codebook in range(n)
    ]
