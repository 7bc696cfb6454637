#!/usr/bin/env python3
"""Stage 8: upload a packed model, with a model card, to the Hugging Face Hub."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos upload-model`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description=__doc__,
        epilog=takes.examples(
            "distilmos upload-model --model model.zip --hf_repo OWNER/NAME",
            "distilmos upload-model --model model.zip --hf_repo OWNER/NAME --private",
        ),
    )
    parser.add_argument("--model", required=True, help="Zip of stage 7")
    parser.add_argument("--hf_repo", required=True, help="OWNER/NAME")
    parser.add_argument("--private", action="store_true", help="If it is made now")
    return parser


def main(cmd=None) -> None:
    """Upload the model and print its address."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.publish import upload_model

    show(upload_model(args.model, args.hf_repo, args.private))


if __name__ == "__main__":
    sys.exit(run(main))
