"""Nothing that can be downloaded may run code: how S3PRL gets to read checkpoints."""

import contextlib
import functools
import pickle
import re
from typing import Any, Dict, Iterator, List, Mapping, Set
from unittest import mock

import torch

from espnet2_distilmos.model.weights import name_some, require_whole_file
from espnet2_distilmos.utils.errors import UserError

# S3PRL hands texts such as "[(512,10,5)] + [(512,3,2)] * 4" to eval().
_HARMLESS = re.compile(r"[\d\s()\[\],+*]*")
# Ends of the keys whose texts it evaluates.
_EVALUATED = ("_layers", "xformers_att_config")


class LoadedFiles:
    """What is remembered of the checkpoints that were read.

    Attributes:
        model_cfg: the model's configuration, of S3PRL's formats.
        keys: names of the entries of all files.
        last: the file that was read last.
        missing: names of weights that no file had, where the model's loader did not
            mind.
    """

    def __init__(self) -> None:
        self.model_cfg: Dict[str, Any] = {}
        self.keys: Set[str] = set()
        self.last = "the checkpoint"
        self.missing: Set[str] = set()

    def see(self, content: Any) -> None:
        """Take note of a file's content."""
        if not isinstance(content, Mapping):
            return
        self.keys.update(str(key) for key in content)
        for key in ("model_cfg", "cfg"):
            if isinstance(content.get(key), Mapping):
                self.model_cfg = dict(content[key])


@contextlib.contextmanager
def safe_loading() -> Iterator[LoadedFiles]:
    """Make torch.load refuse all but weights, plain types and harmless text.

    It is torch.load itself that is guarded, since S3PRL downloads, reads and evaluates
    in one call. Not for use in several threads at once.

    Raises:
        UserError: a file holds code, or texts that might be; it is damaged; or weights
            are missing from it.
    """
    original = torch.load
    files = LoadedFiles()

    @functools.wraps(original)
    def load(f: Any, map_location: Any = None, **kwargs: Any) -> Any:
        kwargs = {**kwargs, "weights_only": True}
        require_whole_file(f)
        try:
            content = original(f, map_location=map_location, **kwargs)
        except (pickle.UnpicklingError, EOFError) as e:
            raise UserError(
                f"{f}: holds more than weights and plain types, or is no checkpoint; "
                "it is not loaded, since it could run code"
            ) from e
        files.last = str(f)
        require_harmless(content, str(f))
        files.see(content)
        return content

    fill = torch.nn.Module.load_state_dict

    @functools.wraps(fill)
    def load_state_dict(
        self: torch.nn.Module, state_dict: Mapping, strict: bool = True, **kwargs: Any
    ) -> Any:
        found = fill(self, state_dict, strict=False, **kwargs)
        if strict and found.missing_keys:
            raise UserError(
                f"{files.last}: weights are missing from it: "
                f"{name_some(found.missing_keys)}; get the file again"
            )
        if strict and found.unexpected_keys:
            raise UserError(
                f"{files.last}: weights that the model of its configuration does not "
                f"have: {name_some(found.unexpected_keys)}"
            )
        files.missing.update(found.missing_keys)
        return found

    with (
        mock.patch.object(torch, "load", load),
        mock.patch.object(torch.nn.Module, "load_state_dict", load_state_dict),
    ):
        yield files


def require_harmless(content: Any, where: str) -> None:
    """Check the texts in a checkpoint that S3PRL would evaluate as Python.

    Args:
        content: what the file holds.
        where: the file, for the error.

    Raises:
        UserError: a text of layers is more than numbers, brackets, + and *.
    """
    todo: List[Any] = [content]
    while todo:
        part = todo.pop()
        if isinstance(part, Mapping):
            for key, value in part.items():
                if str(key).endswith(_EVALUATED) and isinstance(value, str):
                    # Two stars are a power: a short text for a very long sum.
                    if not _HARMLESS.fullmatch(value) or "**" in value:
                        raise UserError(
                            f"{where}: {key} is no list of layers, and S3PRL would run "
                            f"it as code: {value[:200]!r}"
                        )
                elif isinstance(value, (Mapping, list, tuple)):
                    todo.append(value)
        elif isinstance(part, (list, tuple)):
            todo.extend(p for p in part if isinstance(p, (Mapping, list, tuple)))
