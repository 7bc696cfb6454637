"""From a configuration and a checkpoint to a network that is ready to score."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

import torch

from espnet2_distilmos.model.corpus_offset import MEAN_CORPUS
from espnet2_distilmos.model.network import PREDICTORS, MOSNetwork, build_network
from espnet2_distilmos.model.weights import require_finite, require_whole_file
from espnet2_distilmos.packs.calibration_record import read_calibration
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, sha256_file
from espnet2_distilmos.utils.network import (
    ConnectionRefused,
    downloads_allowed,
    no_connections,
)

# ESPnet's checkpoints hold the ESPnet model, of which the network is one part.
PREFIX = "network."
_UPSTREAM = "upstream."
_PRETRAINED = "upstream.pretrained_blocks."
# Of a packed model's config.yaml: the SHA-256 of its model.pth.
MODEL_SHA256 = "model_sha256"
# Token heads are for training only.
_TRAINING_ONLY = "predictor.token_heads."


def read_config(train_config: PathLike) -> Dict[str, Any]:
    """Read a model's config.yaml.

    Raises:
        UserError: unreadable, or of something else.
    """
    config = read_yaml(train_config)
    conf = config.get("upstream_conf")
    if (
        config.get("predictor") not in list(PREDICTORS)
        or not conf
        or not isinstance(conf, dict)
        or not isinstance(conf.get("path_or_url"), (str, type(None)))
        or not isinstance(config.get("upstream_sha256"), (str, type(None)))
        or not isinstance(config.get(MODEL_SHA256), (str, type(None)))
    ):
        raise UserError(
            f"{train_config}: not the config.yaml of a DistilMOS training (predictor, "
            "upstream_conf); give the one that training or packing wrote"
        )
    return config


def load_network(train_config: PathLike, model_file: PathLike) -> MOSNetwork:
    """Build the network of a training run or of a packed model; load all its weights.

    A packed model (:mod:`espnet2_distilmos.packs.pack`) has `upstream_sha256` in
    its configuration: the fine-tuned upstream is that very file, and `model_file`
    holds the rest, with a SHA-256 of its own.

    Nothing that the files name is fetched, unless the user allows it
    (:mod:`espnet2_distilmos.utils.network`).

    Raises:
        UserError: not a configuration or checkpoint of this package, damaged, weights
            that are not finite, an upstream that is not on this machine, or the keys or
            shapes of the two differ; names the file.
    """
    config = read_config(train_config)
    states = read_model_states(config, train_config, model_file)
    folders = [Path(train_config).parent, Path(model_file).parent]
    sha256 = config.get("upstream_sha256")
    with _upstream_at_hand(config["upstream_conf"], folders) as upstream_conf:
        path = upstream_conf.get("path_or_url")
        if sha256 is not None and not (path and Path(path).exists()):
            # Or transformers would look for a repository of that name.
            raise UserError(
                f"{folders[0] / (path or '')}: missing, the packed upstream; get the "
                "model again"
            )
        offline = not downloads_allowed()
        try:
            with no_connections() if offline else contextlib.nullcontext():
                network = build_network(
                    upstream_conf,
                    config["predictor"],
                    config.get("predictor_conf") or {},
                    n_tokens=0,
                    where=str(train_config),
                )
        except ConnectionRefused as e:
            raise ConnectionRefused(f"{train_config}: {e}") from e
    expected = network.state_dict()
    if sha256 is not None:
        if network.upstream.fingerprint["checkpoint_sha256"] != sha256:
            raise UserError(
                f"{upstream_conf['path_or_url']}: not the upstream that was packed "
                f"with {train_config} (SHA-256 differs)"
            )
        expected = {k: v for k, v in expected.items() if not in_upstream_file(k)}
    weights = {
        key.removeprefix(PREFIX): value
        for key, value in states.items()
        if key.startswith(PREFIX) and not key.startswith(PREFIX + _TRAINING_ONLY)
    }
    _require_same_keys(weights, expected, model_file, train_config)
    network.load_state_dict(weights, strict=sha256 is None)
    return network.eval()


def in_upstream_file(name: str) -> bool:
    """Tell whether a tensor of a network is in the file of a packed upstream.

    That file holds the model as it was trained; what is kept as pretrained beside it is
    with the other weights.
    """
    return name.startswith(_UPSTREAM) and not name.startswith(_PRETRAINED)


def read_model_states(
    config: Mapping[str, Any], train_config: PathLike, model_file: PathLike
) -> Dict[str, torch.Tensor]:
    """Return the tensors of a model: whole, finite and those that were packed.

    Args:
        config: content of `train_config`.
        train_config: for the error.
        model_file: the checkpoint.

    Raises:
        UserError: as :func:`read_states`, or not the file that was packed.
    """
    states = read_states(model_file)
    packed = config.get(MODEL_SHA256)
    # A calibrated copy of packed weights says in its record what it was made from.
    calibration = read_calibration({}, model_file) or {}
    found = calibration.get("from_sha256")
    if packed is not None and packed != (found or sha256_file(model_file)):
        raise UserError(
            f"{model_file}: not the weights that were packed with {train_config} "
            "(SHA-256 differs): damaged or exchanged; get the model again"
        )
    return states


def _require_same_keys(weights, expected, model_file, train_config) -> None:
    problems = [f"{key} is missing" for key in expected if key not in weights]
    problems += [
        f"{key} is not of this model" for key in weights if key not in expected
    ]
    problems += [
        f"{key} is {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    if problems:
        raise UserError(
            f"{model_file}: does not fit {train_config}: {problems[0]}"
            + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
            + "; take the two files of one training"
        )


def find_upstream(path_or_url: str, folders: list) -> Optional[Path]:
    """Return the file or folder that `path_or_url` means; None = no path.

    Looked up relative to config.yaml (packed models), to the checkpoint, to the
    current folder and to the recipe of an `exp/NAME/config.yaml`, in this order.

    Args:
        path_or_url: from `upstream_conf`.
        folders: those of config.yaml and of the checkpoint.
    """
    recipe = folders[0].resolve().parent.parent
    for folder in [*folders, Path(), recipe]:
        if (folder / path_or_url).exists():
            return folder / path_or_url
    return None


@contextlib.contextmanager
def _upstream_at_hand(conf: Dict[str, Any], folders: list) -> Iterator[Dict[str, Any]]:
    """Yield `upstream_conf` with a `path_or_url` that is there during the block."""
    conf = dict(conf)
    path = conf.get("path_or_url")
    if path is None:
        yield conf
        return
    found = find_upstream(path, folders)
    if found is not None:
        conf["path_or_url"] = str(found)
        yield conf
    elif conf.get("random_init") is not None or conf.get("release") is not None:
        # The weights that are written are replaced anyway: leave nothing behind.
        with tempfile.TemporaryDirectory() as tmp:
            conf["path_or_url"] = str(Path(tmp) / "upstream.pt")
            yield conf
    else:
        yield conf


def corpus_number(network: MOSNetwork, name: Optional[str]) -> int:
    """Return the number of a training corpus; that of the mean corpus for None.

    Raises:
        UserError: no such corpus, or a model without corpus offsets.
    """
    if name is None:
        return MEAN_CORPUS
    offset = network.predictor.corpus_offset
    if offset is None:
        raise UserError(
            f"corpus {name}: this model has no corpus offsets; leave the corpus out"
        )
    if name not in offset.names:
        raise UserError(
            f"corpus {name}: the model was trained on {', '.join(offset.names)}"
        )
    return offset.names.index(name)


def skip_unused_layers(network: MOSNetwork) -> int:
    """Compute no layer above the last one that the score depends on.

    entmax gives exact zeros, so the score stays the same.

    Returns:
        The number of layers that are not computed any more.
    """
    weights = network.predictor.layer_weights()
    if weights is None:  # plain SSL-MOS: the last layer is the one that counts
        return 0
    # The weighted sum pairs weights and states in order, up to the shorter list.
    last = network.upstream.layers[int(torch.nonzero(weights).max())]
    network.upstream.limit_layers(last)
    return network.upstream.n_blocks - last


def read_states(
    model_file: PathLike, unused: Tuple[str, ...] = ()
) -> Dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint, on the CPU; nothing in the file can run code.

    Args:
        model_file: the checkpoint.
        unused: beginnings of names that take no part: they may hold NaN.

    Raises:
        UserError: no such file, no checkpoint, damaged, or NaN or Inf in it.
    """
    require_whole_file(model_file)
    try:
        states = torch.load(model_file, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise UserError(f"{model_file}: no such model file") from e
    except Exception as e:  # torch raises a dozen types for what is no checkpoint
        raise UserError(
            f"{model_file}: cannot be loaded as weights ({type(e).__name__}); it is "
            "cut off, or holds more than weights, which could run code: get it again"
        ) from e
    # checkpoint.pth holds the optimiser's state too.
    if isinstance(states, dict) and isinstance(states.get("model"), dict):
        states = states["model"]
    if (
        not isinstance(states, dict)
        or not all(isinstance(key, str) for key in states)
        or not all(map(_is_plain_tensor, states.values()))
    ):
        raise UserError(
            f"{model_file}: not a checkpoint of this package; train or pack writes one"
        )
    used = {k: v for k, v in states.items() if not k.startswith(unused)}
    require_finite(used, model_file)
    return states


def _is_plain_tensor(value: Any) -> bool:
    """Tell whether it is a tensor of numbers that are there, not sparse or `meta`."""
    return (
        torch.is_tensor(value)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )
