"""The released checkpoints of the method's authors as models of this package.

Theirs are `model.pth.tar` (`{"model": state_dict}`) and `model_cfg.yaml`, whose options
are `ssl_backbone`, `wavlm_cfg` / `w2v2_cfg`, `hidden_dim`, `downsample_kernels`,
`downsample_strides` and `target_layers`. The upstream sees the raw waveform, whatever
its configuration says. The token heads are left out: they are for training.
"""

import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import torch

from espnet2_distilmos.model.network import MOSNetwork, build_network
from espnet2_distilmos.model.upstream.checkpoint import quiet_s3prl
from espnet2_distilmos.model.upstream.safe_load import require_harmless
from espnet2_distilmos.packs.load import read_states
from espnet2_distilmos.packs.pack import write_model
from espnet2_distilmos.packs.upstream_files import plain_names
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml

CHECKPOINT, OPTIONS = "model.pth.tar", "model_cfg.yaml"

# What a model without `wavlm_cfg` is: WavLM base.
_WAVLM_BASE = {
    "relative_position_embedding": True,
    "gru_rel_pos": True,
    "num_buckets": 320,
    "max_distance": 800,
}
_KNOWN = {
    "ssl_backbone",
    "wavlm_cfg",
    "w2v2_cfg",
    "hidden_dim",
    "downsample_kernels",
    "downsample_strides",
    "target_layers",
}
# Their name and ours, by the beginning of the key.
_NAMES = (
    ("weighted_sum.layer_logits", "weighting.logits"),
    ("weighted_sum.out_proj.", "weighting.projection."),
    ("feature_processor.proj_in.", "frame_encoder.projection."),
    ("feature_processor.blocks.", "frame_encoder.blocks."),
    ("feature_processor.ln.", "frame_encoder.norm."),
    ("decoder.cnn.", "decoder.conv."),
    ("decoder.bilstm.", "decoder.lstm."),
    ("decoder.linear.", "decoder.projection."),
    ("decoder.layer_norm.", "decoder.norm."),
    ("linear.", "decoder.output."),
)
# In the file, but without part in any score.
_UNUSED = ("weighted_sum.layer_weights", "decoder.batch_norm.", "predictors.")


def import_official(
    model_dir: PathLike, output_dir: PathLike, source: Optional[str] = None
) -> List[str]:
    """Turn a released checkpoint into a self-contained model.

    Args:
        model_dir: folder with `model.pth.tar` and `model_cfg.yaml`.
        output_dir: folder to write: config.yaml, model.pth, upstream.pt, meta.yaml.
        source: where it comes from, for `distilmos info`.

    Returns:
        What was found, as lines.

    Raises:
        UserError: files that are not such a checkpoint, or something in it that this
            package cannot represent.
    """
    model_dir = Path(model_dir)
    options = read_yaml(model_dir / OPTIONS)
    _check_options(options, model_dir / OPTIONS)
    states = read_states(model_dir / CHECKPOINT, _UNUSED)
    states = plain_names(states)
    where = str(model_dir / CHECKPOINT)
    backbone = _backbone(states, where)
    n_heads = len({k.split(".")[1] for k in states if k.startswith("predictors.")})
    conf = {
        "hidden_size": options.get("hidden_dim") or 256,
        "kernels": options.get("downsample_kernels") or [5, 3, 3],
        "strides": options.get("downsample_strides") or [1, 1, 1],
    }
    upstream = {k[len("ssl.") :]: v for k, v in states.items() if k.startswith("ssl.")}
    with tempfile.TemporaryDirectory() as tmp:
        write = _write_wavlm if backbone == "wavlm" else _write_wav2vec2
        upstream_conf = write(Path(tmp), upstream, options, where)
        network = _build(upstream_conf, conf, where)
        _load(network, states, where)
        n_blocks = network.upstream.n_blocks
        _check_layers(options, n_blocks, n_heads, model_dir)
        if backbone == "w2v2":
            _require_raw_last_layer(network, options, model_dir)
        config = {
            "predictor": "distilmos",
            "predictor_conf": conf,
            "official": {"backbone": backbone, "options": options},
        }
        facts = {
            "source": source or "a checkpoint that the authors of DistilMOS released",
            "licence": "not known: the authors' repository showed no licence file",
        }
        write_model(output_dir, network, config, facts)
    return _findings(network, backbone, options, conf, n_heads)


def _check_options(options: Mapping[str, Any], where: Path) -> None:
    """Refuse options of another type than the released code has."""

    def numbers(value: Any) -> bool:
        return isinstance(value, list) and all(type(x) is int for x in value)

    for names, ok, what in (
        (("wavlm_cfg", "w2v2_cfg"), lambda x: isinstance(x, dict), "a mapping"),
        (("hidden_dim",), lambda x: type(x) is int and x > 0, "a number over 0"),
        (("downsample_kernels", "downsample_strides"), numbers, "a list of numbers"),
        (("target_layers",), numbers, "a list of numbers"),
        (("ssl_backbone",), lambda x: isinstance(x, str), "text"),
    ):
        for name in names:
            value = options.get(name)
            if value is not None and not ok(value):
                raise UserError(f"{where}: {name} must be {what}, not {value!r}")


def _backbone(states: Mapping[str, torch.Tensor], where: str) -> str:
    """Tell `wavlm` from `w2v2` by the keys: the option may be missing."""
    if "ssl.mask_emb" in states:
        return "wavlm"
    if any(key.startswith("ssl.feature_projection.") for key in states):
        return "w2v2"
    raise UserError(
        f"{where}: neither a WavLM (ssl.mask_emb) nor a wav2vec 2.0 "
        "(ssl.feature_projection) is in it: not a released DistilMOS checkpoint"
    )


def _theirs(key: str) -> str:
    """Return their name of a weight of our predictor."""
    for theirs, ours in _NAMES:
        if key.startswith(ours):
            key = theirs + key[len(ours) :]
            break
    for theirs, ours in ((".dw.", ".depthwise."), (".pw.", ".pointwise.")):
        key = key.replace(ours, theirs)
    if ".blocks." in key:
        key = key.replace(".norm.", ".bn.")
    if ".backwards." in key:
        return key.replace(".backwards.", ".") + "_reverse"
    return key.replace(".forwards.", ".")


def _write_wavlm(folder: Path, states, options, where: str) -> Dict[str, Any]:
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    given = dict(options.get("wavlm_cfg") or _WAVLM_BASE)
    require_harmless(given, f"{OPTIONS} of {where}")
    try:
        cfg = WavLMConfig(given)
        with quiet_s3prl():
            expected = WavLM(cfg).state_dict()
    except Exception as e:  # whatever wrong types and sizes make torch raise
        raise _no_model("wavlm_cfg", where, e) from e
    _require_fit(states, expected, "ssl.", where)
    path = folder / "upstream.pt"
    torch.save({"cfg": dict(cfg.__dict__), "model": states}, path)
    return {
        "upstream": "wavlm_local",
        "path_or_url": str(path),
        "normalize_waveform": False,
    }


def _write_wav2vec2(folder: Path, states, options, where: str) -> Dict[str, Any]:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    try:
        model = Wav2Vec2Model(Wav2Vec2Config(**(options.get("w2v2_cfg") or {})))
    except Exception as e:  # whatever wrong types and sizes make transformers raise
        raise _no_model("w2v2_cfg", where, e) from e
    expected = plain_names(model.state_dict())
    _require_fit(states, expected, "ssl.", where)
    # transformers takes the old names of weight norm.
    model.load_state_dict(dict(zip(model.state_dict(), map(states.get, expected))))
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return {"upstream": "hf_wav2vec2_custom", "path_or_url": str(folder)}


def _no_model(key: str, where: str, error: Exception) -> UserError:
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return UserError(
        f"{OPTIONS} of {where}: {key}: no model can be made of it ({what})"
    )


def _build(upstream_conf, conf, where: str) -> MOSNetwork:
    try:
        return build_network(upstream_conf, "distilmos", conf, where=where)
    except (ValueError, TypeError) as e:  # of the options
        raise UserError(f"{OPTIONS} of {where}: {e}") from e


def _load(network: MOSNetwork, states, where: str) -> None:
    """Give the predictor its weights; every weight of theirs is used, or known."""
    ours = network.predictor.state_dict()
    names = {_theirs(key): key for key in ours}
    used = {k: v for k, v in states.items() if not k.startswith(("ssl.", *_UNUSED))}
    _require_fit(used, {name: ours[key] for name, key in names.items()}, "", where)
    network.predictor.load_state_dict({names[k]: v for k, v in used.items()})
    network.eval()


def _require_fit(states, expected, prefix: str, where: str) -> None:
    missing = [key for key in expected if key not in states]
    more = [key for key in states if key not in expected]
    other = [
        key
        for key in expected
        if key in states and states[key].shape != expected[key].shape
    ]
    for keys, what in (
        (missing, "is missing"),
        (more, f"is not in the model that {OPTIONS} describes"),
        (other, f"is of another size than {OPTIONS} says"),
    ):
        if keys:
            others = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise UserError(f"{where}: {prefix}{keys[0]} {what}{others}")


def _check_layers(options, n_blocks: int, n_heads: int, model_dir: Path) -> None:
    targets = options.get("target_layers") or list(range(1, n_blocks + 1))
    if len(targets) != n_heads or not all(1 <= x <= n_blocks for x in targets):
        raise UserError(
            f"{model_dir / OPTIONS}: target_layers {targets}, but the checkpoint has "
            f"{n_heads} token heads and {n_blocks} layers"
        )


def _require_raw_last_layer(network: MOSNetwork, options, model_dir: Path) -> None:
    """Refuse a last layer with weight, which transformers norms and we do not."""
    pre_norm = (options.get("w2v2_cfg") or {}).get("do_stable_layer_norm", False)
    weights = network.predictor.layer_weights()
    if pre_norm and weights is not None and weights[-1].item() != 0:
        raise UserError(
            f"{model_dir / OPTIONS}: a pre-norm wav2vec 2.0 whose last layer has a "
            "weight cannot be represented: the released code takes that layer after "
            "the final LayerNorm, this package before it"
        )


def _findings(network, backbone, options, conf, n_heads) -> List[str]:
    upstream = network.upstream
    weights = network.predictor.layer_weights().tolist()
    listed = options.get("ssl_backbone")
    lines = [
        f"backbone: {backbone}, {upstream.n_blocks} layers of {upstream.hidden_size}",
        "layer weights: " + " ".join(f"{w:.3f}" for w in weights),
        f"frame encoder and decoder: {conf['hidden_size']} channels, kernels "
        f"{conf['kernels']}, strides {conf['strides']}",
        f"token heads: {n_heads} (of target_layers "
        f"{options.get('target_layers') or 'all'}), left out: they are for training",
        "waveform: raw, not normalised",
    ]
    if listed is not None and listed.lower() != backbone:
        lines.append(f"ssl_backbone says {listed}; the keys, {backbone}, were believed")
    other = sorted(str(key) for key in set(options) - _KNOWN)
    if other:
        lines.append(f"options without part in scoring: {', '.join(other)}")
    if backbone == "wavlm" and not options.get("wavlm_cfg"):
        lines.append("no wavlm_cfg: taken as WavLM base, whose sizes fit")
    return lines
