"""The sets that rows learn from and are scored on, and what their labels are."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Optional

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.set_names import named_sets, set_name
from espnet2_distilmos.utils.stamp import audio_request


class LabelledSets:
    """A training set and test sets, read when they are first asked for.

    Attributes:
        train_dir: folder of the training set.
        train_name: what it is called.
        test_dirs: set -> folder.
        request: folder -> what identifies its content, for stamps.

    Args:
        train_dir: data directory with labels.
        test_dirs: data directories with labels.
        root: sets are called by their path below it (:func:`set_name`).

    Raises:
        UserError: two test sets of one name, or a file that cannot be read.
    """

    def __init__(
        self,
        train_dir: PathLike,
        test_dirs: Sequence[PathLike],
        root: Optional[PathLike] = None,
    ):
        self.train_dir = Path(train_dir)
        self.train_name = set_name(train_dir, root)
        self.test_dirs = named_sets(test_dirs, root)
        if self.test_dirs.get(self.train_name, self.train_dir) != self.train_dir:
            raise UserError(
                f"{train_dir}: a test set is called {self.train_name} too; name the "
                "folder that both are in (--root)"
            )
        self.request = {
            str(folder): {
                **{
                    name: sha256_file(folder / name)
                    for name in ("utt2mos", "utt2sys")
                    if (folder / name).exists()
                },
                **audio_request(folder),
            }
            for folder in (self.train_dir, *self.test_dirs.values())
        }

    @cached_property
    def train(self) -> DataDir:
        """The training set.

        Raises:
            UserError: no labels, or files that do not fit together.
        """
        return _load(self.train_dir)

    @cached_property
    def tests(self) -> Dict[str, DataDir]:
        """Set -> test set; raises UserError as :attr:`train`."""
        return {name: _load(folder) for name, folder in self.test_dirs.items()}


def _load(folder: Path) -> DataDir:
    data = DataDir.load(folder)
    if data.mos is None:
        raise UserError(f"{folder}: utt2mos is missing; reference rows need labels")
    return data


def differ(made_of: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two requests of :class:`LabelledSets` disagree on a folder of both."""
    return any(made_of.get(folder, value) != value for folder, value in now.items())


def label_kind(labels: Optional[PathLike], name: str) -> str:
    """Return what the labels of a set are, for its heading; empty if it is not known.

    Args:
        labels: folder with `<set>/labels.yaml`.
        name: of the set; of another corpus' set that records nothing, its corpus is
            named.
    """
    found = Labels() if labels is None else Labels.beside(Path(labels) / name)
    if not found and "/" in name:
        return f"labels of {name.split('/')[0]}"
    return found.heading
