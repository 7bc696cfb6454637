"""What `distilmos score` is given: files, folders and Kaldi's `wav.scp`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, file_name, same_place
from espnet2_distilmos.utils.search import AUDIO_SUFFIXES, find_audio


@dataclass(frozen=True)
class Clip:
    """One clip to score.

    Attributes:
        path: the audio file.
        output: relative path for what is written a clip, without a suffix of its own.
        utt: its ID, if it comes from a `wav.scp`.
        source: what it was found by: the folder or list as given, of a file its folder.
        inside: its path below that folder.
    """

    path: str
    output: str
    utt: Optional[str] = None
    source: str = ""
    inside: str = ""

    @property
    def name(self) -> str:
        """How the clip is called in tables and messages."""
        return self.path if self.utt is None else self.utt

    @property
    def folder(self) -> str:
        """The audio file's folder."""
        return os.path.dirname(self.path) or "."


def collect_clips(paths: Sequence[PathLike]) -> List[Clip]:
    """Return clips of files, folders (recursively) and `*.scp` lists, each once.

    Links are followed. What is passed over in a folder (hidden files, folders that
    cannot be read, links that lead nowhere) is logged with a count.

    Raises:
        UserError: no such path, a folder without audio, or a bad `wav.scp`.
    """
    clips: Dict[tuple, Clip] = {}
    for path in map(Path, paths):
        for clip in _clips_of(path):
            clips.setdefault((clip.utt, os.path.abspath(clip.path)), clip)
    return list(clips.values())


def named_twice(paths: Sequence[PathLike]) -> List[str]:
    """Return a sentence on each path that leads where an earlier one does."""
    return [
        f"{path}: is the same as {first}, its clips count once"
        for i, path in enumerate(paths)
        if (first := next((p for p in paths[:i] if same_place(p, path)), None))
    ]


def require_distinct_outputs(clips: Sequence[Clip]) -> None:
    """Refuse clips of which something would be written under the same name.

    Raises:
        UserError: two clips whose outputs would have one name.
    """
    outputs: Dict[str, Clip] = {}
    for clip in clips:
        other = outputs.setdefault(clip.output, clip)
        if other is not clip:
            raise UserError(
                f"{other.path} and {clip.path}: what is written of each clip would "
                f"have one name, {clip.output}; score them with two commands, or from "
                "a folder above both"
            )


def _clips_of(path: Path) -> Iterator[Clip]:
    if path.is_dir():
        search = find_audio(path)
        search.tell()
        found = search.files
        if not found:
            raise UserError(
                f"{path}: holds no audio files ({' '.join(sorted(AUDIO_SUFFIXES))})"
            )
        for file in found:
            output = str(Path(path.resolve().name) / file)
            yield Clip(str(path / file), output, None, str(path), str(file))
    elif not path.exists():
        raise UserError(f"{path}: no such file or folder")
    elif path.suffix == ".scp":
        for utt, file in read_wav_scp(path, strict=False).items():
            yield Clip(file, file_name(utt), utt, str(path), utt)
    else:
        yield Clip(str(path), path.name, None, str(path.parent), path.name)
