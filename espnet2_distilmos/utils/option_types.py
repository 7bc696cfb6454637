"""Options, for argparse: what they take, and how `--help` shows them.

They refuse numbers out of range and names that cannot be file names. A value that is
refused is a mistake in the options: one line names it, exit code 2.
"""

import argparse
import math
import re
from typing import List

# What options mean that many commands have, where a command does not say more.
USUAL = {
    "dumpdir": "Folder of formatted audio, frames and tokens",
    "log_level": "DEBUG, INFO, WARNING or ERROR",
    "output_dir": "Folder to write to",
    "protocol": "What the experiment does",
    "seed": "Of all that is drawn",
    # ESPnet's own options of a training, which it does not explain.
    "fold_length": "Of batch_type folded: length beyond which batches get smaller",
    "train_shape_file": "Lengths of the training clips, as stage 4 writes them",
    "valid_shape_file": "Lengths of the validation clips, as stage 4 writes them",
    "valid_data_path_and_name_and_type": "FILE,NAME,TYPE of validation data, as "
    "--train_data_path_and_name_and_type",
}


class HelpFormatter(argparse.HelpFormatter):
    """Show defaults where there is something to show, and no option without a word.

    Nothing is added to an option that is required, that has no default (what happens
    then is for its help to say), that is a switch, or whose help names the default.
    """

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        none = (None, argparse.SUPPRESS, "", False)
        shown = action.option_strings and action.nargs != 0 and not action.required
        if not shown or any(action.default is value for value in none):
            return text
        if "default" in text.lower():
            return text
        value = action.default
        if isinstance(value, (list, tuple)):
            value = " ".join(map(str, value))
        # The text is expanded with %, so that a % of the value has to be doubled.
        value = str(value).replace("%", "%%")
        return f"{text} (default: {value})" if value else text

    def _format_action(self, action: argparse.Action) -> str:
        if not action.help:
            action.help = USUAL.get(action.dest)
        return super()._format_action(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if not text.startswith(_EXAMPLES):
            return super()._fill_text(text, width, indent)
        # Commands are copied: their lines stay as they are.
        return "\n".join(indent + line for line in text.splitlines())


class RawHelpFormatter(HelpFormatter, argparse.RawTextHelpFormatter):
    """The same, for texts whose lines stay as they are (ESPnet's)."""


_EXAMPLES = "examples:"
_LONGEST_LINE = 71  # without indentation and backslash


def examples(*commands: str) -> str:
    """Return the epilog of a command's parser: commands as a user would type them.

    Long ones are broken in front of options, with a backslash, as a shell reads them.
    """
    lines = [_EXAMPLES]
    for command in commands:
        rows: List[str] = []
        for part in re.split(r" (?=--)", command):
            if rows and len(rows[-1]) + len(part) < _LONGEST_LINE:
                rows[-1] += f" {part}"
            else:
                rows.append(part)
        lines.append("  " + " \\\n      ".join(rows))
    return "\n".join(lines)


LARGEST_SEED = 2**32 - 1  # scikit-learn's, and that of numpy's older generators


def _whole(text: str, least: int, most: float = math.inf) -> int:
    # Not int() alone: it takes 1_0 for 10, and any alphabet's digits.
    value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,40}", text) else None
    if value is None or not least <= value <= most:
        ends = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number {ends} is needed")
    return value


def positive_int(text: str) -> int:
    """Take 1, 2, 3..."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """Take 0, 1, 2..."""
    return _whole(text, 0)


def seed(text: str) -> int:
    """Take a seed that every generator in use takes."""
    return _whole(text, 0, LARGEST_SEED)


def number(text: str) -> float:
    """Take a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if "_" in text or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r}: a number is needed, as in 2.5")
    return value


def positive(text: str) -> float:
    """Take a finite number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0 is needed")
    return value


def not_negative(text: str) -> float:
    """Take a finite number, 0 or more."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: 0 or more is needed")
    return value


def coverage(text: str) -> float:
    """Take the share of labels that intervals shall hold, as 0.9."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if "_" in text or not 0.5 <= value <= 0.99:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a share from 0.5 to 0.99 is needed, as 0.9"
        )
    return value


def coverage_if_any(text: str) -> float:
    """Take the same, of an option without a value before files that could be one."""
    try:
        return coverage(text)
    except argparse.ArgumentTypeError as e:
        raise argparse.ArgumentTypeError(
            f"{e}; what is to be scored stands before this option"
        ) from None


def true_or_false(text: str) -> bool:
    """Return what `true` or `false` says, as everywhere in ESPnet's shell scripts."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false, not {text!r}")
    return text == "true"


def path(text: str) -> str:
    """Take a name of a file or folder.

    Nothing is no name: it comes from an unset variable ("$DIR") and would mean the
    current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' names no file or folder; '.' is this one")
    return text
