"""Checkpoints that are whole or not there, and a folder that agrees with them.

After an epoch ESPnet writes `checkpoint.pth`, then the epoch's model, then it moves the
links to the latest and to the best model and removes models that are none of the best.
Each of these can be the last thing that a killed training did.
"""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import torch
from espnet2.torch_utils.safe_torch_load import safe_torch_load
from espnet2.train.trainer import TrainerOptions

from espnet2_distilmos.model.weights import require_finite, require_whole_file
from espnet2_distilmos.train.selection import TieBreakingReporter
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import NO_ROOM, atomic_path, no_room


@contextlib.contextmanager
def save_whole_files() -> Iterator[None]:
    """Make `torch.save`, in the block, write to a temporary name and rename.

    ESPnet's trainer, which has no place to say so, calls it with the final name: a
    training that was killed meanwhile would leave a checkpoint that cannot be read, and
    no older one.
    """
    save = torch.save

    def save_whole(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(f, (str, os.PathLike)):
            return save(obj, f, *args, **kwargs)
        try:
            # An open file: given a name, torch would write it into the archive.
            with atomic_path(Path(f)) as tmp, open(tmp, "wb") as file:
                save(obj, file, *args, **kwargs)
        except RuntimeError as e:  # of torch's writer, which hides the system's
            cause = e.__context__
            if not isinstance(cause, OSError) or cause.errno not in NO_ROOM:
                raise
            raise no_room(Path(f), cause.strerror) from e

    torch.save = save_whole
    try:
        yield
    finally:
        torch.save = save


def check_init_param(init_param: Sequence[str]) -> None:
    """Check the files of `--init_param FILE:FROM:TO` before a training begins.

    Raises:
        UserError: a file that is damaged, is no checkpoint or holds NaN or Inf.
    """
    for path in (Path(text.split(":", 1)[0]) for text in init_param):
        if not path.is_file():
            raise UserError(f"{path}: no such file (--init_param)")
        require_whole_file(path)
        try:
            states = torch.load(path, map_location="cpu", weights_only=True)
            require_finite(states.get("module", states), path)
        except UserError:
            raise
        except Exception as e:  # torch raises a dozen types for what is no checkpoint
            raise UserError(
                f"{path}: no file of weights ({type(e).__name__}); --init_param takes "
                "what training wrote"
            ) from e


def mend_folder(options: TrainerOptions) -> None:
    """Bring a training's folder in line with its `checkpoint.pth`, if there is one.

    Args:
        options: of the trainer: `output_dir`, `best_model_criterion` and
            `keep_nbest_models` are read.

    Raises:
        UserError: the checkpoint cannot be read, is damaged, or holds NaN or Inf.
    """
    folder = Path(options.output_dir)
    checkpoint = folder / "checkpoint.pth"
    if not checkpoint.exists():
        return
    reporter = TieBreakingReporter()
    try:
        require_whole_file(checkpoint)
        states = safe_torch_load(checkpoint, map_location="cpu")
        reporter.load_state_dict(states["reporter"])
        model_states = states["model"]
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.PickleError) as e:
        raise UserError(
            f"{checkpoint}: no checkpoint that training can go on from; remove it to "
            "train from the start"
        ) from e
    require_finite(model_states, checkpoint)
    epoch = reporter.get_epoch()
    model = folder / f"{epoch}epoch.pth"
    # Another one is cut off, or left by a training that began anew.
    if not _holds(model, model_states):
        torch.save(model_states, model)
    _link(folder / "latest.pth", model.name)
    kept = {epoch}
    nbest = options.keep_nbest_models
    most = nbest if isinstance(nbest, int) else max(nbest, default=1)
    for phase, key, mode in options.best_model_criterion:
        if reporter.has(phase, key):
            best = reporter.sort_epochs(phase, key, mode)
            _link(folder / f"{phase}.{key}.best.pth", f"{best[0]}epoch.pth")
            kept.update(best[:most])
    for other in range(1, epoch):
        if other not in kept:
            (folder / f"{other}epoch.pth").unlink(missing_ok=True)


def _holds(path: Path, states: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether a model's file has these very weights."""
    if not path.exists():
        return False
    try:
        found = safe_torch_load(path, map_location="cpu")
    except (RuntimeError, EOFError, pickle.PickleError):
        return False
    return found.keys() == states.keys() and all(
        torch.equal(found[key], value) for key, value in states.items()
    )


def _link(link: Path, target: str) -> None:
    """Make `link` a link to `target`, without a moment in which there is none."""
    if os.path.lexists(link) and link.is_symlink() and os.readlink(link) == target:
        return
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    os.replace(new, link)
