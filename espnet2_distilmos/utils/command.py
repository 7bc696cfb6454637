"""How every command of `bin/` starts and ends."""

import argparse
import logging
import sys
from typing import Callable, Optional, Sequence

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import NO_ROOM, no_room, read_yaml

LOG_FORMAT = "%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s"


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to stderr in ESPnet's format."""
    logging.basicConfig(level=level, format=LOG_FORMAT)


def parse_with_config(
    parser: argparse.ArgumentParser, cmd: Optional[Sequence[str]] = None
) -> argparse.Namespace:
    """Parse options, with defaults from the YAML file that `--config` names.

    As in ESPnet, but a key that is no option is refused.
    """
    parser.add_argument("--config", help="YAML file with defaults of these options")
    only_config = argparse.ArgumentParser(add_help=False)
    only_config.add_argument("--config")
    path = only_config.parse_known_args(cmd)[0].config
    if path is not None:
        defaults = read_yaml(path)
        known = {action.dest for action in parser._actions}
        unknown = sorted(set(defaults) - known)
        if unknown:
            raise UserError(f"{path}: unknown option {', '.join(unknown)}")
        parser.set_defaults(**defaults)
    return parser.parse_args(cmd)


def run(
    main: Callable[[Optional[Sequence[str]]], None],
    cmd: Optional[Sequence[str]] = None,
) -> int:
    """Run `main(cmd)` and return the exit code.

    A :class:`UserError` becomes one line on stderr and 1, and so does a full disk;
    Ctrl-C becomes 130.
    Anything else is a fault of ours and keeps its traceback.
    """
    try:
        main(cmd)
    except UserError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except OSError as e:
        if e.errno not in NO_ROOM:
            raise
        print(f"error: {no_room(e.filename or 'output', e.strerror)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
