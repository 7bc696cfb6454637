"""How every command of `bin/` starts and ends."""

import argparse
import logging
import sys
from concurrent.futures import BrokenExecutor
from typing import Any, Callable, Optional, Sequence, Union

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.extras import what_is_missing
from espnet2_distilmos.utils.files import NO_ROOM, no_room, read_yaml
from espnet2_distilmos.utils.terminal import (
    guard_logging,
    guard_streams,
    one_line,
    show,
)

LOG_FORMAT = "%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s"


def set_up_logging(level: Union[int, str] = logging.INFO) -> None:
    """Log to stderr in ESPnet's format, with control characters as escapes.

    Raises:
        UserError: no such level.
    """
    if isinstance(level, str):
        number = logging.getLevelName(level.upper())
        if not isinstance(number, int):
            raise UserError(f"log level {level}: choose DEBUG, INFO, WARNING or ERROR")
        level = number
    guard_logging()
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
        known = {action.dest: action for action in parser._actions}
        unknown = sorted(str(key) for key in set(defaults) - set(known))
        if unknown:
            raise UserError(f"{path}: unknown option {', '.join(unknown)}")
        parser.set_defaults(
            **{
                name: _default(parser, known[name], value, path)
                for name, value in defaults.items()
            }
        )
    return parser.parse_args(cmd)


def _default(
    parser: argparse.ArgumentParser, action: argparse.Action, value: Any, path: str
) -> Any:
    """Return a value of the YAML file as its option would take it.

    Raises:
        UserError: a value that the option would refuse.
    """
    if value is None or (isinstance(value, bool) and action.nargs == 0):
        return value
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    try:
        if not plain or action.nargs is not None:
            raise argparse.ArgumentError(None, "one number or text was expected")
        value = parser._get_value(action, str(value))
        parser._check_value(action, value)
    except argparse.ArgumentError as e:
        raise UserError(f"{path}: {action.dest}: {value!r}: {e.message}") from e
    return value


def run(
    main: Callable[[Optional[Sequence[str]]], None],
    cmd: Optional[Sequence[str]] = None,
    needs: Sequence[str] = (),
) -> int:
    """Run `main(cmd)` and return the exit code.

    A :class:`UserError` becomes one line on stderr and 1, and so does what the system
    refuses (no such folder, no permission, no space) and a package of an extra that is
    not installed; Ctrl-C becomes 130. Anything else is a fault of ours and keeps its
    traceback.

    Args:
        main: the command.
        cmd: its options; None = those of the process.
        needs: modules of extras that the command needs, all named if one is missing.
    """
    guard_streams()
    try:
        main(cmd)
    except UserError as e:
        show(f"error: {one_line(str(e))}", sys.stderr)
        return 1
    except ModuleNotFoundError as e:
        missing = what_is_missing(e, needs)
        if missing is None:
            raise
        logging.debug("where it happened", exc_info=True)
        show(f"error: {one_line(missing)}", sys.stderr)
        return 1
    except OSError as e:
        if e.errno is None:
            raise
        logging.debug("where it happened", exc_info=True)
        # Of a rename the second name is the user's, the first a temporary one.
        name = e.filename if e.filename2 is None else e.filename2
        if e.errno in NO_ROOM:
            message = str(no_room(name or "output", e.strerror))
        else:
            message = f"{'' if name is None else f'{name}: '}{e.strerror}"
        show(f"error: {one_line(message)}", sys.stderr)
        return 1
    except BrokenExecutor:
        logging.debug("where it happened", exc_info=True)
        show(
            "error: a process of this command was killed (out of memory?); run again "
            "with fewer (--nj)",
            sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        show("interrupted", sys.stderr)
        return 130
    return 0
