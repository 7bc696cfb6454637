"""Kaldi-style data directories.

They hold `wav.scp`, `utt2mos`, `utt2sys`, `utt2spk`, `spk2utt` and, where a set has
them, `utt2corpus`, `utt2ratings` and `utt2scores`.

All files have one line an utterance, `ID VALUE`, sorted by the bytes of the ID
(`LC_ALL=C sort`).
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    Optional,
    Tuple,
    TypeVar,
)

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text
from espnet2_distilmos.utils.terminal import counted
from espnet2_distilmos.utils.values import (
    Rating,
    from_ratings,
    from_scores,
    to_audio_path,
    to_float,
    to_ratings,
    to_scores,
    to_word,
)

T = TypeVar("T")


def _show(items: List[str], most: int = 5, separator: str = ", ") -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{separator.join(items[:most])}{more}"


def read_lines(
    path: PathLike, convert: Callable[[str], T], strict: bool = True
) -> Dict[str, T]:
    """Read `ID VALUE` lines into a dict in file order.

    Args:
        path: the file.
        convert: turns the value's text into what is wanted; raises ValueError with the
            reason if it cannot.
        strict: refuse IDs out of order, Windows line ends and a byte order mark, which
            Kaldi's and ESPnet's own readers stumble over; False where only we read it.

    Raises:
        UserError: unreadable or empty file; lines without a value, values that
            `convert` refuses, duplicate IDs, IDs out of order: names their lines.
    """
    path = Path(path)
    try:
        # newline="" keeps a carriage return visible instead of hiding it.
        with open(path, encoding="utf-8", newline="") as f:
            lines = f.read().split("\n")
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text (byte {e.start})") from e
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise UserError(f"{path}: is empty; one `ID VALUE` line an utterance is needed")
    if not strict:
        lines = [line.removesuffix("\r") for line in lines]
        lines[0] = lines[0].removeprefix("\ufeff")
    result: Dict[str, T] = {}
    problems: List[str] = []
    previous = b""
    for number, line in enumerate(lines, 1):
        try:
            utt, value = _split_line(line)
            if utt in result:
                raise ValueError(f"duplicate ID {utt}")
            if strict and utt.encode() < previous:
                raise ValueError(f"ID {utt} out of order; sort with LC_ALL=C")
            previous = utt.encode()
            try:
                result[utt] = convert(value)
            except ValueError as e:
                raise ValueError(f"ID {utt}: {e}") from e
        except ValueError as e:
            problems.append(f"{path}:{number}: {e}")
    if problems:
        raise UserError(_show(problems, separator="; "))
    return result


def _split_line(line: str) -> Tuple[str, str]:
    """Return ID and value of a line, or ValueError with the reason."""
    if line.startswith("\ufeff"):
        raise ValueError("byte order mark; save as UTF-8 without BOM")
    if line.endswith("\r"):
        raise ValueError("Windows line end; convert with `sed 's/\\r$//'`")
    fields = line.split(None, 1)
    if len(fields) != 2 or line[0].isspace():
        raise ValueError(f"`ID VALUE` was expected, found {line!r}")
    return fields[0], fields[1].rstrip()


def _sorted(values: Dict[str, T]) -> Dict[str, T]:
    """Sort by the bytes of the IDs: no figure may depend on a file's order."""
    return dict(sorted(values.items(), key=lambda item: item[0].encode()))


def read_floats(path: PathLike, strict: bool = True) -> Dict[str, float]:
    """Read `utt2mos` and its like: `ID NUMBER`."""
    return _sorted(read_lines(path, to_float, strict))


def read_words(path: PathLike, strict: bool = True) -> Dict[str, str]:
    """Read `utt2sys`, `utt2spk` and their like: `ID WORD`."""
    return _sorted(read_lines(path, to_word, strict))


def read_ratings(path: PathLike, strict: bool = True) -> Dict[str, List[Rating]]:
    """Read `utt2ratings`: `ID listener:score listener:score ...`, or `ID -`."""
    return _sorted(read_lines(path, to_ratings, strict))


def read_scores(path: PathLike, strict: bool = True) -> Dict[str, Dict[str, float]]:
    """Read `utt2scores`: `ID SCALE:label SCALE:label ...`, or `ID -`."""
    return _sorted(read_lines(path, to_scores, strict))


def read_wav_scp(path: PathLike, strict: bool = True) -> Dict[str, str]:
    """Read `wav.scp`: `ID PATH` (blanks in the path are kept).

    Only training needs an order: see :func:`read_lines` for `strict`.
    """
    return read_lines(path, to_audio_path, strict)


def write_lines(path: PathLike, values: Mapping[str, object]) -> None:
    """Write `ID VALUE` lines, sorted by the bytes of the ID, atomically.

    Floats are written with 6 decimals so that files compare byte by byte.
    """

    def text(value: object) -> str:
        return f"{value:.6f}" if isinstance(value, float) else str(value)

    items = sorted(values.items(), key=lambda kv: kv[0].encode())
    write_text(path, "".join(f"{utt} {text(value)}\n" for utt, value in items))


def require_same_ids(files: Mapping[str, Mapping[str, object]]) -> None:
    """Check that all `files` (name -> content) have the same IDs.

    Raises:
        UserError: names the two files and the IDs that only one of them has.
    """
    (first, reference), *others = files.items()
    problems = [
        f"{counted(len(missing), 'ID')} of {a} {'is' if len(missing) == 1 else 'are'} "
        f"missing in {b}: {_show(missing)}"
        for name, content in others
        for a, b, missing in (
            (first, name, [u for u in reference if u not in content]),
            (name, first, [u for u in content if u not in reference]),
        )
        if missing
    ]
    if problems:
        raise UserError("; ".join(problems))


@dataclass
class DataDir:
    """A data directory in memory; every mapping has the same, sorted keys.

    Attributes:
        wavs: ID -> path of the audio file.
        mos: ID -> label (MOS units), or None where the set has no labels.
        systems: ID -> system, or None.
        speakers: ID -> speaker, or None (then every utterance is its own speaker).
        corpora: ID -> corpus, or None (one corpus).
        ratings: ID -> ratings of single listeners, or None.
        scores: ID -> labels on further scales, scale -> label; or None.
    """

    wavs: Dict[str, str]
    mos: Optional[Dict[str, float]] = None
    systems: Optional[Dict[str, str]] = None
    speakers: Optional[Dict[str, str]] = None
    corpora: Optional[Dict[str, str]] = None
    ratings: Optional[Dict[str, List[Rating]]] = None
    scores: Optional[Dict[str, Dict[str, float]]] = None

    @classmethod
    def load(cls, folder: PathLike, strict: bool = True) -> "DataDir":
        """Read and check a folder; files other than `wav.scp` may be absent.

        Clips that are not in `utt2ratings` have no ratings, and those that are not in
        `utt2scores` no labels on further scales.

        Args:
            folder: the folder.
            strict: see :func:`read_lines`.

        Raises:
            UserError: see :func:`read_lines` and :func:`require_same_ids`.
        """
        folder = Path(folder)
        contents: Dict[str, Any] = {
            name: _sorted(reader(folder / name, strict))
            for name, reader in _READERS.items()
            if name == "wav.scp" or (folder / name).exists()
        }
        if "utt2ratings" in contents:
            none: Dict[str, List[Rating]] = {utt: [] for utt in contents["wav.scp"]}
            contents["utt2ratings"] = {**none, **contents["utt2ratings"]}
        if "utt2scores" in contents:
            no_label: Dict[str, Dict] = {utt: {} for utt in contents["wav.scp"]}
            contents["utt2scores"] = {**no_label, **contents["utt2scores"]}
        require_same_ids({str(folder / n): c for n, c in contents.items()})
        values: List[Any] = [contents.get(name) for name in _READERS]
        return cls(*values)

    def subset(self, ids: List[str]) -> "DataDir":
        """Return the same with only `ids`."""

        def pick(values):
            return None if values is None else {u: values[u] for u in ids}

        return DataDir(*(pick(getattr(self, f.name)) for f in fields(self)))

    def save(self, folder: PathLike) -> None:
        """Write the folder's files; `wav.scp` last, as the sign that it is whole.

        Labels, of further scales too, systems and corpora that an earlier version of
        the set had are removed.
        `utt2ratings` is not, since not every writer goes through this class.
        """
        folder = Path(folder)
        speakers = self.speakers or {u: u for u in self.wavs}
        spk2utt: Dict[str, List[str]] = {}
        for utt in sorted(self.wavs, key=str.encode):
            spk2utt.setdefault(speakers[utt], []).append(utt)
        ratings = None
        if self.ratings is not None:
            ratings = {u: from_ratings(r) for u, r in self.ratings.items()}
        scores = None
        if self.scores is not None:
            scores = {u: from_scores(s) for u, s in self.scores.items()}
        for name, values in (
            ("utt2mos", self.mos),
            ("utt2sys", self.systems),
            ("utt2corpus", self.corpora),
            ("utt2scores", scores),
            ("utt2ratings", ratings),
        ):
            if values is not None:
                write_lines(folder / name, values)
            elif name != "utt2ratings":
                (folder / name).unlink(missing_ok=True)
        write_lines(folder / "utt2spk", speakers)
        write_lines(folder / "spk2utt", {s: " ".join(u) for s, u in spk2utt.items()})
        write_lines(folder / "wav.scp", self.wavs)


# File -> how it is read, in the order of DataDir's fields.
_READERS: Dict[str, Callable[[PathLike, bool], Dict]] = {
    "wav.scp": read_wav_scp,
    "utt2mos": read_floats,
    "utt2sys": read_words,
    "utt2spk": read_words,
    "utt2corpus": read_words,
    "utt2ratings": read_ratings,
    "utt2scores": read_scores,
}
# What makes a data directory, to see whether one has changed.
DATA_FILES = tuple(_READERS)
