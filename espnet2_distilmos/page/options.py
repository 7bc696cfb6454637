"""Options of commands that write a page to look at and listen to."""

import argparse

from espnet2_distilmos.utils import option_types as takes


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add `--report` and `--embed_audio`."""
    parser.add_argument(
        "--report",
        type=takes.path,
        metavar="FILE",
        help="Write a page to look at and listen to (HTML, without network): "
        "distributions, a table, a player; clips of one name in two folders side by "
        "side",
    )
    add_embedding_option(parser)


def add_embedding_option(parser: argparse.ArgumentParser) -> None:
    """Add `--embed_audio`."""
    parser.add_argument(
        "--embed_audio",
        type=takes.positive,
        metavar="MB",
        help="Put the audio into the page, as Opus, the lowest scores first, up to "
        "this size (default: linked by relative paths)",
    )


def check_page_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Refuse, before any work, audio for no page, or that cannot be written here.

    Raises:
        UserError: a libsndfile without Opus.
    """
    if args.embed_audio is None:
        return
    if not args.report:
        parser.error("--embed_audio goes with --report")
    from espnet2_distilmos.page.embed import require_opus

    require_opus()
