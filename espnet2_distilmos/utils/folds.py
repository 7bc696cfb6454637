"""Where the folds of a cross-validation lie, and what their record says.

`distilmos make-folds` writes them::

    <folder>/folds.yaml              number of folds, what they keep apart, counts
    <folder>/set_notes.yaml          how the table over all folds came about
    <folder>/raw/<name>/             all clips, a formatted set; <name> is the folder's
    <folder>/fold<i>/raw/<part>/     train, valid and test of a fold, likewise
    <folder>/fold<i>/set_notes.yaml  what the fold's test part holds
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml

RECORD, NOTES = "folds.yaml", "set_notes.yaml"
PARTS = ("train", "valid", "test")
# What folds keep apart -> the file of a set that says it of each clip.
KEPT_APART: Mapping[str, Optional[str]] = {
    "system": "utt2sys",
    "speaker": "utt2spk",
    "clip": None,
}


@dataclass(frozen=True)
class Folds:
    """The folds in a folder.

    Attributes:
        folder: see above.
        n: number of folds.
        by: what no two folds share, a key of KEPT_APART.
    """

    folder: Path
    n: int
    by: str

    @classmethod
    def read(cls, folder: PathLike) -> "Folds":
        """Read the record of a folder.

        Raises:
            UserError: there is none, or it says something else.
        """
        record = Path(folder) / RECORD
        found = read_yaml(record).get("request")
        n, by = None, None
        if isinstance(found, dict):
            n, by = found.get("n_folds"), found.get("by")
        if not isinstance(n, int) or not isinstance(by, str) or by not in KEPT_APART:
            raise UserError(
                f"{record}: does not say which folds these are; run stage 1 again"
            )
        return cls(Path(folder), n, by)

    @property
    def name(self) -> str:
        """What the set of all clips is called."""
        return self.folder.resolve().name

    @property
    def whole(self) -> Path:
        """Data directory of all clips."""
        return self.folder / "raw" / self.name

    def part(self, fold: int, part: str) -> Path:
        """Return the data directory of a part of fold 1, 2..."""
        return self.folder / f"fold{fold}" / "raw" / part

    @property
    def record(self) -> Dict[str, Any]:
        """What scores.json says of them."""
        return {"n": self.n, "by": self.by}


def unit_file(data_dir: PathLike, by: str) -> Optional[Path]:
    """Return the file of a set that says what is kept together; None for clips."""
    name = KEPT_APART[by]
    return None if name is None else Path(data_dir) / name
