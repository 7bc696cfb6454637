"""Saved results: JSON files of the experiment."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from mini_mos.experiment.collect import Scores

PRETRAINED = "pretrained"  # among the models of forgetting.json


def read_scores_file(path: PathLike) -> Scores:
    """Read what :func:`~.collect.collect` has gathered.

    Raises:
        UserError: no such file, or not one of these.
    """
    keys = ("environment", "sets", "runs", "missing")
    return read_results(path, "the scores of an experiment", keys)


def read_results(path: PathLike, what: str, keys: Sequence[str]) -> Dict[str, Any]:
    """Read a JSON object with `keys`; `what` says in errors what it should be.

    Raises:
        UserError: no such file, or not one of these.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        for key in keys:
            found[key]
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{path}: not {what} ({type(e).__name__}: {e})") from e
    return found
