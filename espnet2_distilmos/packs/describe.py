"""What a model is, from its files alone: no upstream is loaded."""

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from espnet2_distilmos.model.corpus_offset import CorpusOffset
from espnet2_distilmos.model.layer_weighting import LAYER_WEIGHTINGS
from espnet2_distilmos.model.readout import READOUT_WEIGHT
from espnet2_distilmos.packs.calibrate import checkpoint_name
from espnet2_distilmos.packs.calibration_record import read_calibration
from espnet2_distilmos.packs.interval_record import intervals_told, read_interval
from espnet2_distilmos.packs.load import PREFIX, read_config, read_model_states
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.labels import NOT_RECORDED as _NOT_RECORDED
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.values import (
    crop_seconds_of,
    crops_shown,
    scales_shown,
)

# Keys of predictor_conf; the first are the names.
_SCALES = ("scales", "scale_means", "scale_stds")


def describe_model(tag: Optional[str] = None) -> Dict[str, str]:
    """Return name -> text, in the order to show.

    Args:
        tag: see :func:`espnet2_distilmos.packs.locate.locate_model`.

    Raises:
        UserError: no such model.
    """
    train_config, model_file = locate_model(tag)
    config = read_config(train_config)
    states = read_model_states(config, train_config, model_file)
    meta_file = train_config.parent / "meta.yaml"
    meta = read_yaml(meta_file) if meta_file.exists() else {}
    try:
        labels = Labels.of_model(config, train_config)
        return _describe(model_file, config, states, meta, labels)
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as e:
        raise UserError(
            f"{train_config}: its values are not those that training or packing writes "
            f"({type(e).__name__}: {' '.join(str(e).split())}); get the model again"
        ) from e


def _describe(
    model_file: Path,
    config: Mapping[str, Any],
    states: Mapping[str, Any],
    meta: Mapping[str, Any],
    labels: Labels,
) -> Dict[str, str]:
    conf = config.get("upstream_conf") or {}
    packed = "upstream_sha256" in config
    calibration = read_calibration(config, model_file)
    loss = config.get("loss_conf") or {}
    predictor = dict(config.get("predictor_conf") or {})
    scales = [predictor.pop(key, None) for key in _SCALES][0]
    raters = _raters(
        predictor.pop("corpora", None), predictor.pop("listeners", None), states
    )
    seconds = crop_seconds_of(config, "config.yaml")
    shown = {
        "checkpoint": str(model_file),
        "engine": "PyTorch",
        "self-contained": "yes" if packed else "no (stage 7 or pack-model makes it so)",
        "predictor": _words(config.get("predictor"), predictor),
        **({"scales": scales_shown(scales)} if scales else {}),
        **raters,
        "upstream": _upstream(conf, config),
        "layers": _layers(conf, predictor, states),
        "sampling rate": f"{SAMPLE_RATE} Hz (other rates are resampled)",
        "loss": _words(config.get("loss"), loss) if loss else _NOT_RECORDED,
        "clusters": _clusters(config),
        "training data": _training_data(config),
        **({} if seconds is None else {"trained on": crops_shown(seconds)}),
        "chosen by": _chosen_by(config, meta, model_file),
        "calibration": calibration["told"] if calibration else "none",
        "intervals": intervals_told(read_interval(config, model_file)),
        **_facts(meta.get("facts") or {}, labels),
    }
    for package in ("espnet2_distilmos", "espnet", "torch"):
        if package in meta:
            shown[f"made with {package}"] = str(meta[package])
    return shown


def _facts(facts: Mapping[str, Any], labels: Labels) -> Dict[str, str]:
    """Return corpus, labels, licence and source, as packing or training recorded.

    Models that were packed before training recorded it have `corpus` and `label_kind`.
    """
    corpus, what = facts.get("corpus"), facts.get("label_kind")
    if labels:
        corpus, what = labels.corpora, labels.what
    of_model = [str(facts["licence"])] if facts.get("licence") else []
    of_data = [f"of the training data: {labels.licences}"] if labels.licences else []
    return {
        "training corpus": str(corpus or _NOT_RECORDED),
        "labels": str(what or _NOT_RECORDED),
        "licence": "; ".join(of_model + of_data) or _NOT_RECORDED,
        "source": str(facts.get("source") or labels.sources or _NOT_RECORDED),
    }


def _words(name: Any, options: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{key} {value}" for key, value in options.items())
    return f"{name} ({listed})" if listed else str(name)


def _raters(
    corpora: Optional[Sequence[str]],
    listeners: Optional[Sequence[str]],
    states: Mapping[str, Any],
) -> Dict[str, str]:
    shown = {}
    if corpora:
        offset = CorpusOffset(corpora)
        offset.raw.data = states[f"{PREFIX}predictor.corpus_offset.raw"]
        pairs = zip(offset.names, offset.values().tolist())
        listed = ", ".join(f"{name} {value:+.3f}" for name, value in pairs)
        shown["corpus offsets"] = f"{listed} (scored on their mean unless named)"
    if listeners:
        shown["listeners"] = f"{len(listeners)}; the mean listener scores"
    return shown


def _upstream(conf: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    parts = [str(conf.get("upstream"))]
    if conf.get("path_or_url"):
        parts.append(str(conf["path_or_url"]))
    original = (config.get("token_conf") or {}).get("upstream") or {}
    if original.get("upstream") and original.get("path_or_url") != parts[-1]:
        first = " ".join(
            str(original[k]) for k in ("upstream", "path_or_url") if original.get(k)
        )
        parts.append(f"(fine-tuned from {first})")
    if conf.get("random_init"):
        parts.append("(random weights before training)")
    return " ".join(parts)


def _layers(
    conf: Mapping[str, Any], predictor: Mapping[str, Any], states: Mapping[str, Any]
) -> str:
    logits = states.get(f"{PREFIX}predictor.weighting.logits")
    if logits is None:
        return f"{conf.get('layers') or 'all'}; the last one is scored"
    weighting = LAYER_WEIGHTINGS[predictor.get("layer_weighting", "entmax")](
        len(logits), 1
    )
    weighting.logits.data = logits
    weights = weighting.weights().tolist()
    layers = conf.get("layers") or range(1, len(weights) + 1)
    used = [layer for layer, weight in zip(layers, weights) if weight > 0]
    text = ", ".join(f"{layer}: {weight:.3f}" for layer, weight in zip(layers, weights))
    if readout := predictor.get("readout"):
        read = ", ".join(map(str, predictor.get("readout_layers") or layers))
        share = predictor.get("readout_weight", READOUT_WEIGHT)
        text += f"; {share:g} of the score from {readout} of {read} as pretrained"
    return f"{len(weights)}, computed up to {used[-1]}; weights {text}"


def _clusters(config: Mapping[str, Any]) -> str:
    token_conf = config.get("token_conf") or {}
    n_clusters = token_conf.get("n_clusters")
    if n_clusters is not None:
        n_codebooks = token_conf.get("n_codebooks", 1)
        return f"{n_clusters}{f' x {n_codebooks}' * (n_codebooks > 1)} a layer"
    weight = (config.get("loss_conf") or {}).get("token_weight")
    return "none: trained without tokens" if weight == 0 else _NOT_RECORDED


def _training_data(config: Mapping[str, Any]) -> str:
    entries: List[Tuple] = config.get("train_data_path_and_name_and_type") or []
    paths = [entry[0] for entry in entries if entry[1] == "speech"]
    return ", ".join(map(str, paths)) or _NOT_RECORDED


def _chosen_by(
    config: Mapping[str, Any], meta: Mapping[str, Any], model_file: Path
) -> str:
    """Return the criterion, and whether it is one epoch or the mean of several."""
    name = str(meta.get("packed_from") or checkpoint_name(config, model_file))
    if found := re.search(r"\.ave_(\d+)best\.", name):
        return f"{_criterion(config)}, the mean of the {found[1]} best epochs"
    if found := re.fullmatch(r"(\d+)epoch\.pth", name):
        return f"{_criterion(config)}, epoch {found[1]}"
    return _criterion(config)


def _criterion(config: Mapping[str, Any]) -> str:
    criteria = config.get("best_model_criterion") or []
    text = ", ".join(" ".join(map(str, criterion)) for criterion in criteria)
    return f"{text} (best_model_criterion)" if text else _NOT_RECORDED
