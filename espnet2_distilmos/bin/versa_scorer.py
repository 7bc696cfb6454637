#!/usr/bin/env python3
"""VERSA's scorer (`python -m versa.bin.scorer`), with the metric `distilmos` in it."""

import argparse
import importlib
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos versa`."""
    return argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="VERSA's scorer with the metric `distilmos` in it. All options are "
        "those of `python -m versa.bin.scorer`: --pred, --score_config, --io, "
        "--output_file, --use_gpu...",
        epilog=takes.examples(
            "distilmos versa "
            "--score_config egs2/TEMPLATE/tts1/conf/versa_distilmos.yaml "
            "--pred wav.scp --io soundfile --output_file result.txt",
            "distilmos versa "
            "--score_config egs2/TEMPLATE/tts1/conf/versa_distilmos.yaml "
            "--pred my_wavs --io dir --output_file result.txt --use_gpu",
        ),
    )


def main(cmd=None) -> None:
    """Hand all options over to VERSA.

    Raises:
        UserError: no VERSA, or one without the metrics' contract.
    """
    _, options = get_parser().parse_known_args(cmd)
    try:
        importlib.import_module("versa.definition")
    except ImportError as e:
        raise UserError(
            f"VERSA is not installed, or older than 1.0 ({e}): see "
            "https://github.com/wavlab-speech/versa"
        ) from e
    from espnet2_distilmos.tts.versa_metric import add_to_versa

    add_to_versa()
    from versa.bin import scorer

    sys.argv = ["versa.bin.scorer", *options]
    scorer.main()


if __name__ == "__main__":
    sys.exit(run(main))
