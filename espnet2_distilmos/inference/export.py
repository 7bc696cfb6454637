"""A model as one graph from waveform to scores, for the engine without torch."""

import dataclasses
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, Optional

import onnx
import torch

import espnet2_distilmos
from espnet2_distilmos.inference.device import fewest_samples
from espnet2_distilmos.inference.export_check import (
    TOLERANCE,
    difference,
    made_up_clips,
    read_clips,
    runner,
    score_by_torch,
)
from espnet2_distilmos.inference.quantize import quantize, store_in_8_bits
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.model.one_clip import OneClipNetwork
from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.fairseq import HuBERTAdapter, Wav2Vec2Adapter
from espnet2_distilmos.model.upstream.hugging_face import HuggingFaceAdapter
from espnet2_distilmos.model.upstream.wavlm import WavLMAdapter
from espnet2_distilmos.model.upstream.whisper import WhisperAdapter
from espnet2_distilmos.packs.calibration_record import labels_of
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.interval_record import read_interval
from espnet2_distilmos.packs.load import load_network, read_config, skip_unused_layers
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.onnx_file import write_record
from espnet2_distilmos.packs.onnx_record import (
    FLOAT32,
    INT8,
    WEIGHTS8,
    OnnxRecord,
)
from espnet2_distilmos.packs.onnx_scan import MOST_BYTES, SUFFIX, is_onnx
from espnet2_distilmos.packs.onnx_session import FURTHER, INPUT, OUTPUTS
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    read_yaml,
    require_output,
    sha256_file,
)
from espnet2_distilmos.utils.values import crop_seconds_of

FAMILIES = (
    *(WhisperAdapter, WavLMAdapter, HuBERTAdapter, Wav2Vec2Adapter),
    HuggingFaceAdapter,  # of transformers, with WavLM's
)
# Of a graph with floats, a smaller one.
_SMALLER = {WEIGHTS8: store_in_8_bits, INT8: quantize}
# The newest operators that ONNX Runtime of early 2023 knows, as all later do.
_OPSET = 17


def export_model(
    model: Optional[str],
    output: PathLike,
    precision: str = FLOAT32,
    clips: Sequence[PathLike] = (),
) -> OnnxRecord:
    """Write a model as an `.onnx` file; nothing is written that was not compared.

    The graph takes (N,) float32 samples at 16 kHz and gives a score and (T,) frame
    scores, on the mean scale of the training corpora; with S further scales also (S,)
    scores and (T, S) frame scores.

    Args:
        model: see :func:`espnet2_distilmos.packs.locate.locate_model`.
        output: file to write.
        precision: `float32`; `weights8`: weights are stored in 8 bits and computed with
            as float32; or `int8`: the matrices of the upstream's blocks as 8-bit
            numbers, what they are multiplied with too (dynamically).
        clips: files, folders and `wav.scp` lists to measure the difference of the
            smaller two on; by default made-up sounds.

    Returns:
        What stands in the file's metadata.

    Raises:
        UserError: no such model, one of a family that cannot be exported, too large for
            one file, or a graph that does not score as PyTorch does.
    """
    if not str(output).endswith(SUFFIX):
        raise UserError(f"{output}: the file to write must end with {SUFFIX}")
    train_config, model_file = locate_model(model)
    if is_onnx(model_file):
        raise UserError(f"{model}: is exported already; give what it was exported from")
    require_output(output, train_config, model_file, *clips)
    config = read_config(train_config)
    network = load_network(train_config, model_file)
    _require_family(network.upstream)
    _require_size(network, model_file)
    skip_unused_layers(network)
    made_up = made_up_clips(fewest_samples(network.upstream))
    given = read_clips(clips, len(made_up[0]))
    record = _record(model, config, train_config, model_file, network)
    by_torch = [score_by_torch(network, clip) for clip in made_up]
    traced = OneClipNetwork(network)
    with tempfile.TemporaryDirectory() as tmp:
        plain = Path(tmp) / "float32.onnx"
        _trace(traced, plain)
        n_scales = len(network.predictor.scales)
        by_plain = runner(plain, n_scales)
        found = difference(by_torch, map(by_plain, made_up), "made-up clips")
        if not max(found.mos, found.frame_mos) <= TOLERANCE:
            raise UserError(
                f"{model}: nothing written, the graph does not score as PyTorch does "
                f"({found}); score with the model itself"
            )
        measured = {"float32_from_torch": dataclasses.asdict(found)}
        file = plain
        if precision != FLOAT32:
            file = Path(tmp) / "small.onnx"
            _SMALLER[precision](plain, file)
            what = "given clips" if given else "made-up clips"
            compared = given or made_up
            run_small = runner(file, n_scales, stored_weights=precision == WEIGHTS8)
            pairs = map(by_plain, compared), map(run_small, compared)
            found = difference(*pairs, what)
            measured[f"{precision}_from_float32"] = dataclasses.asdict(found)
        interval = {} if precision != FLOAT32 else record.interval
        if interval != record.interval:
            logging.warning(
                f"{output}: without the model's intervals, which are of its own "
                "scores; distilmos conformal makes some of the exported model's"
            )
        record = dataclasses.replace(
            record, precision=precision, measured=measured, interval=interval
        )
        return write_record(file, record, output)


def _require_family(upstream: UpstreamAdapter) -> None:
    if not isinstance(upstream, FAMILIES):
        raise UserError(
            f"{upstream.conf.upstream}: models on this upstream cannot be exported; "
            "those on Whisper, WavLM, HuBERT and wav2vec 2.0 can"
        )


def _require_size(network: MOSNetwork, model_file: PathLike) -> None:
    n_bytes = 4 * sum(value.numel() for value in network.state_dict().values())
    if n_bytes > MOST_BYTES:
        raise UserError(
            f"{model_file}: {n_bytes / 1e9:.1f} GB of weights; a model in one ONNX "
            f"file has at most {MOST_BYTES / 1e9:.1f} GB"
        )


def _record(
    model: Optional[str],
    config: Dict[str, Any],
    train_config: Path,
    model_file: Path,
    network: MOSNetwork,
) -> OnnxRecord:
    shown = describe_model(model)
    meta_file = train_config.parent / "meta.yaml"
    facts = (read_yaml(meta_file) if meta_file.exists() else {}).get("facts") or {}
    source = {f.name: sha256_file(f) for f in (train_config, model_file)}
    if config.get("upstream_sha256"):  # of a packed model; else in the checkpoint
        source[str(config["upstream_conf"]["path_or_url"])] = config["upstream_sha256"]
    offset = network.predictor.corpus_offset
    offsets = (
        {} if offset is None else dict(zip(offset.names, offset.values().tolist()))
    )
    interval = read_interval(config, model_file)
    packages = {"torch": str(torch.__version__), "onnx": onnx.__version__}
    return OnnxRecord(
        precision=FLOAT32,
        frame_shift=network.frame_shift,
        sampling_rate=SAMPLE_RATE,
        min_samples=fewest_samples(network.upstream),
        source=source,
        crop_seconds=crop_seconds_of(config, train_config) or 0.0,
        labels=labels_of(config, train_config, model_file).as_list(),
        scales=list(network.predictor.scales),
        upstream=shown["upstream"],
        predictor=shown["predictor"],
        corpus_offsets=offsets,
        calibration="" if shown["calibration"] == "none" else shown["calibration"],
        interval={} if interval is None else interval.as_mapping(),
        licence=str(facts.get("licence") or ""),
        origin=str(facts.get("source") or ""),
        made_with={"espnet2_distilmos": espnet2_distilmos.__version__, **packages},
    )


def _trace(network: OneClipNetwork, path: Path) -> None:
    """Write the graph. By tracing: torch's newer export keeps lengths as they are."""
    example = torch.zeros(SAMPLE_RATE)
    outputs = [*OUTPUTS, *(FURTHER if network.predictor.scales else ())]
    with torch.no_grad(), warnings.catch_warnings():
        # Of what Python decides along the way: here it is the same for all lengths.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes={
                INPUT: {0: "samples"},
                **{name: {0: "frames"} for name in outputs if "frame" in name},
            },
        )
