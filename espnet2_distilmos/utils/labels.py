"""What the labels of a set, or of a model's training, are: one record a corpus.

The one place that reads and words it: `labels.yaml` beside a set, and `label_conf` in a
model's config.yaml (:mod:`espnet2_distilmos.utils.label_info` has the form). Joint
training has several records.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, write_yaml
from espnet2_distilmos.utils.label_info import (
    KIND_WORDS,
    NOT_STATED,
    OFFICIAL,
    USUAL_SCALE,
    LabelInfo,
)

# Name of the file beside a set.
LABELS = "labels.yaml"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Labels:
    """The labels of a set or of a model's training; false where nothing is recorded."""

    infos: Tuple[LabelInfo, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.infos)

    @classmethod
    def from_list(cls, data: Any, where: PathLike) -> "Labels":
        """Make them of a list of mappings.

        Args:
            data: as :meth:`as_list` gives it; None = nothing recorded.
            where: the file that it is from, for the error.

        Raises:
            UserError: something else; names the file.
        """
        # ESPnet3 saves an empty `..._conf` as an empty mapping.
        if data is None or data == {}:
            return cls()
        if not isinstance(data, list):
            raise UserError(f"{where}: the labels must be a list, one item a corpus")
        return cls(tuple(LabelInfo.from_dict(x, f"{where}: labels") for x in data))

    @classmethod
    def read(cls, file: PathLike) -> "Labels":
        """Read a `labels.yaml`.

        Raises:
            UserError: unreadable, or something else.
        """
        content = read_yaml(file)
        if list(content) != ["labels"] or not content["labels"]:
            raise UserError(
                f"{file}: `labels:` with a list of corpus, kind, name, scale... was "
                "expected (doc/your_corpus.md)"
            )
        return cls.from_list(content["labels"], file)

    @classmethod
    def beside(cls, folder: PathLike) -> "Labels":
        """Read those of a set, from its folder; nothing recorded where none are.

        Raises:
            UserError: see :meth:`read`.
        """
        file = Path(folder) / LABELS
        return cls.read(file) if file.exists() else cls()

    @classmethod
    def of_model(cls, config: Mapping[str, Any], where: PathLike) -> "Labels":
        """Read those that a model was trained on, from its config.yaml's content.

        Raises:
            UserError: the record is not what training writes.
        """
        if config.get("label_conf") is None and "official" in config:
            return cls((OFFICIAL,))
        return cls.from_list(config.get("label_conf"), where)

    @classmethod
    def join(cls, parts: Iterable["Labels"]) -> "Labels":
        """Return all of them, each once, in order."""
        return cls(tuple(dict.fromkeys(info for part in parts for info in part.infos)))

    def override(self, **values: Optional[str]) -> "Labels":
        """Return the same with other values; those that are None or empty stay.

        Raises:
            UserError: a bad value, or one corpus' name for several.
        """
        given: Dict[str, Any] = {key: value for key, value in values.items() if value}
        if not given:
            return self
        if len(self.infos) > 1 and "corpus" in given:
            raise UserError(
                f"{given['corpus']}: the model was trained on {self.corpora}; one "
                "name cannot stand for all of them"
            )
        infos = self.infos or (LabelInfo(given.get("corpus") or NOT_STATED),)
        return type(self)(tuple(replace(info, **given) for info in infos))

    def of_scale(self, name: str) -> "Labels":
        """Return what the labels of a further scale are."""
        return type(self)(tuple(info.of_scale(name) for info in self.infos))

    def as_list(self) -> List[Dict[str, Any]]:
        """Return plain types, for YAML and JSON."""
        return [info.as_dict() for info in self.infos]

    def write(self, file: PathLike) -> None:
        """Write a `labels.yaml`."""
        write_yaml(file, {"labels": self.as_list()})

    def carry(self, folder: PathLike) -> None:
        """Put them beside a set made of theirs; an unchanged file keeps its date."""
        file = Path(folder) / LABELS
        if not self:
            file.unlink(missing_ok=True)
        elif Labels.beside(folder) != self:
            self.write(file)

    @property
    def corpora(self) -> str:
        """Names of the corpora."""
        return self._each("corpus")

    def _each(self, name: str) -> str:
        texts = dict.fromkeys(filter(None, (getattr(i, name) for i in self.infos)))
        return ", ".join(texts)

    @property
    def what(self) -> str:
        """What the labels are, in one line without the names of the corpora."""
        by_what: Dict[str, List[str]] = {}
        for info in self.infos:
            by_what.setdefault(info.what, []).append(info.corpus)
        if len(by_what) < 2:
            return next(iter(by_what), NOT_RECORDED)
        return "; ".join(f"{w} [{', '.join(names)}]" for w, names in by_what.items())

    @property
    def heading(self) -> str:
        """The same with the kind first, for headings."""
        return "; ".join(dict.fromkeys(info.heading for info in self.infos))

    @property
    def sentence(self) -> str:
        """What a model of such labels predicts, and what it was trained on."""
        if not self:
            return f"labels: {NOT_RECORDED}"
        if len(self.infos) > 2:  # all details would be a page: `info` has them
            each = (f"{i.brief} [{i.corpus}]" for i in self.infos)
            return f"predicts {'; '.join(each)}; more: distilmos info"
        return f"predicts {self.what}; trained on {self.corpora}"

    @property
    def name(self) -> str:
        """What the numbers are, for an axis; `MOS` where nothing is recorded."""
        if not self:
            return "MOS"
        return " / ".join(dict.fromkeys(i.name or "scores" for i in self.infos))

    @property
    def axis(self) -> str:
        """The same and the kind, unless it is human: `PESQ MOS-LQO, objective`."""
        kinds = dict.fromkeys(
            KIND_WORDS[i.kind] for i in self.infos if i.kind != "human"
        )
        return ", ".join([self.name, *kinds])

    @property
    def judged_by(self) -> str:
        """Who judged: `by predicted PESQ, which does not measure...`."""
        if not self:
            return "by a model whose labels are not recorded"
        return f"by {' and '.join(dict.fromkeys(i.credit for i in self.infos))}"

    @property
    def licences(self) -> str:
        """Licences of the corpora."""
        return self._each("licence")

    @property
    def sources(self) -> str:
        """Sources of the corpora."""
        return self._each("source")

    @property
    def scale(self) -> Tuple[float, float]:
        """Lowest and highest of all labels; 1 to 5 where it is not recorded."""
        scales = [info.scale for info in self.infos]
        if not scales or None in scales:
            return USUAL_SCALE
        lows, highs = zip(*scales)
        return min(lows), max(highs)
