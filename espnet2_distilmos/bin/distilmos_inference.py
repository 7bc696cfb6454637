#!/usr/bin/env python3
"""Score the clips of sets or of a wav.scp with a trained model, as ESPnet does."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Dict, Optional

from espnet2_distilmos.bin.job_options import add_job_options, run_jobs
from espnet2_distilmos.bin.scoring_options import add_crop_options
from espnet2_distilmos.packs.onnx_scan import is_onnx
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import parse_with_config, run, set_up_logging
from espnet2_distilmos.utils.errors import UserError


def __getattr__(name: str):
    # `from ...distilmos_inference import DistilMOSInference`, as with ESPnet's tasks,
    # without loading torch for `--help` or for work that is already done.
    if name == "DistilMOSInference":
        from espnet2_distilmos.inference.engine import DistilMOSInference

        return DistilMOSInference
    raise AttributeError(name)


def _triple(text: str):
    parts = tuple(text.split(","))
    if len(parts) != 3 or parts[1:] != ("speech", "sound"):
        raise argparse.ArgumentTypeError(f"PATH,speech,sound was expected, not {text}")
    return parts


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos inference`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos inference --model_file exp/mos_x/valid.srcc.best.pth "
            "--data_path_and_name_and_type dump/raw/test/wav.scp,speech,sound "
            "--output_dir exp/mos_x/inference/test",
            "distilmos inference --model_file model.pth "
            "--data_path_and_name_and_type wav.scp,speech,sound --output_dir scored "
            "--ngpu 1 --batch_seconds 400",
        ),
    )
    parser.add_argument("--output_dir", type=takes.path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--data_path_and_name_and_type",
        type=_triple,
        help="wav.scp,speech,sound: its clips, in this process",
    )
    what.add_argument(
        "--data_dirs",
        type=takes.path,
        nargs="+",
        help="Formatted sets, each into <output_dir>/<set>",
    )
    parser.add_argument(
        "--root",
        type=takes.path,
        help="Sets are called by their path below this folder",
    )
    parser.add_argument("--key_file", help="Score only the IDs in this file")
    parser.add_argument("--train_config", help="Default: config.yaml of the model")
    parser.add_argument(
        "--model_file", required=True, help="Checkpoint (*.pth), or exported (*.onnx)"
    )
    parser.add_argument(
        "--ngpu", type=takes.natural, default=0, help="The number of GPUs; 0 = CPU"
    )
    parser.add_argument(
        "--batch_seconds",
        type=takes.positive,
        help="Seconds of audio a batch, with padding (default: clip by clip; GPU 400)",
    )
    parser.add_argument(
        "--shard_seconds",
        type=takes.positive,
        default=300.0,
        help="Of sets: audio a shard, what a killed job has to do again at most",
    )
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        help="Of a model with corpus offsets: score on the scale of this training "
        "corpus; else the mean of all",
    )
    add_crop_options(parser)
    parser.add_argument(
        "--num_threads", type=takes.positive_int, default=1, help="On the CPU"
    )
    parser.add_argument("--log_level", default="INFO")
    add_job_options(parser)
    return parser


def main(cmd=None) -> None:
    """Score the clips of sets or of a wav.scp, unless that is done already."""
    parser = get_parser()
    args = parse_with_config(parser, cmd)
    if args.data_dirs and args.key_file:
        parser.error("--key_file goes with --data_path_and_name_and_type")
    if args.data_path_and_name_and_type and (args.job or args.nj > 1 or args.combine):
        parser.error("--job, --nj and --combine go with --data_dirs")
    set_up_logging(args.log_level)
    if args.train_config is None and not is_onnx(args.model_file):
        args.train_config = str(Path(args.model_file).parent / "config.yaml")
    if args.data_dirs:
        _score_sets(args)
    else:
        _score_list(args)


def _digests(*files: Optional[str]) -> Dict[str, str]:
    """File -> SHA-256 of its bytes, of those that are given."""
    from espnet2_distilmos.utils.files import sha256_file

    named = [name for name in files if name]
    for name in named:
        if not Path(name).is_file():
            raise UserError(f"{name}: no such file")
    return {name: sha256_file(name) for name in named}


def _load_model(args: argparse.Namespace):
    from espnet2_distilmos.bin.upstream_options import choose_device
    from espnet2_distilmos.inference.engine import DistilMOSInference

    # One thread: jobs run side by side, and sums do not depend on a thread count.
    device = choose_device(args)
    # Clip by clip on a CPU: which clips share a batch depends on how they are cut into
    # parts, and the last bits of their scores on the batch.
    alone = args.ngpu == 0 and args.batch_seconds is None
    return DistilMOSInference(
        args.train_config,
        args.model_file,
        device,
        batch_seconds=args.batch_seconds,
        batch_size=1 if alone else None,
        corpus=args.corpus,
        num_threads=args.num_threads,
        crops=args.crops,
        crop_seconds=args.crop_seconds,
    )


def _settings(args: argparse.Namespace) -> Dict[str, str]:
    """Return what scores depend on besides files, as far as it is asked for."""
    names = ("corpus", "crops", "crop_seconds")
    given = {name: getattr(args, name) for name in names}
    return {name: str(value) for name, value in given.items() if value is not None}


def _score_sets(args: argparse.Namespace) -> None:
    from espnet2_distilmos.inference.predictions import Predictions
    from espnet2_distilmos.utils.files import folder_lock
    from espnet2_distilmos.utils.set_names import named_sets

    model = _digests(args.model_file, args.train_config)
    # By what they are: an experiment may be moved.
    request: Dict[str, str] = dict(
        zip(("model_sha256", "config_sha256"), model.values())
    )
    request.update(_settings(args))
    predictions = Predictions(
        named_sets(args.data_dirs, args.root),
        args.output_dir,
        request,
        lambda: _load_model(args),
        args.shard_seconds,
    )
    with contextlib.ExitStack() as stack:
        if not (args.job or args.combine):  # jobs share the folder, whole runs do not
            stack.enter_context(folder_lock(args.output_dir))
        run_jobs(predictions, args)


def _score_list(args: argparse.Namespace) -> None:
    from espnet2_distilmos.inference.outputs import outputs_of
    from espnet2_distilmos.utils.stamp import audio_request, is_whole

    wav_scp = args.data_path_and_name_and_type[0]
    request = _digests(wav_scp, args.key_file, args.model_file, args.train_config)
    if Path(wav_scp).name == "wav.scp":
        audio = audio_request(Path(wav_scp).parent)
        if "wav_scp_sha256" not in audio:  # its paths do not matter
            del request[wav_scp]
        request.update(audio)
    request.update(_settings(args))
    output = Path(args.output_dir)
    if is_whole(
        output / "inference.yaml", request, lambda stamp: outputs_of(output, stamp)
    ):
        return
    model = _load_model(args)
    from espnet2_distilmos.inference.scp import score_scp

    score_scp(model, wav_scp, args.output_dir, request, args.key_file)


if __name__ == "__main__":
    sys.exit(run(main))
