"""What `distilmos score` is given: files, folders and Kaldi's `wav.scp`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, file_name

# What is looked for in folders; a file that is named itself may be called anything.
AUDIO_SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph "
    ".nist".split()
)


@dataclass(frozen=True)
class Clip:
    """One clip to score.

    Attributes:
        path: the audio file.
        output: relative path for what is written a clip, without a suffix of its own.
        utt: its ID, if it comes from a `wav.scp`.
    """

    path: str
    output: str
    utt: Optional[str] = None

    @property
    def name(self) -> str:
        """How the clip is called in tables and messages."""
        return self.path if self.utt is None else self.utt

    @property
    def folder(self) -> str:
        """The audio file's folder."""
        return os.path.dirname(self.path) or "."


def collect_clips(paths: Sequence[PathLike]) -> List[Clip]:
    """Clips of files, folders (recursively, by name) and `*.scp` lists, each once.

    Raises:
        UserError: no such path, a folder without audio, a bad `wav.scp`, or two clips
            whose outputs would have the same name.
    """
    clips: Dict[tuple, Clip] = {}
    for path in map(Path, paths):
        for clip in _clips_of(path):
            clips.setdefault((clip.utt, os.path.abspath(clip.path)), clip)
    outputs: Dict[str, Clip] = {}
    for clip in clips.values():
        other = outputs.setdefault(clip.output, clip)
        if other is not clip:
            raise UserError(
                f"{other.name} and {clip.name} cannot be told apart by their names; "
                "score them with two commands, or from a folder above both"
            )
    return list(clips.values())


def _clips_of(path: Path) -> Iterator[Clip]:
    if path.is_dir():
        found = sorted(_audio_files(path))
        if not found:
            raise UserError(
                f"{path}: holds no audio files ({' '.join(sorted(AUDIO_SUFFIXES))})"
            )
        for file in found:
            yield Clip(str(path / file), str(Path(path.resolve().name) / file))
    elif not path.exists():
        raise UserError(f"{path}: no such file or folder")
    elif path.suffix == ".scp":
        for utt, file in read_wav_scp(path).items():
            yield Clip(file, file_name(utt), utt)
    else:
        yield Clip(str(path), path.name)


def _audio_files(folder: Path) -> Iterator[str]:
    """Audio files below a folder, relative to it; hidden ones are passed over."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in AUDIO_SUFFIXES and not name.startswith("."):
                yield os.path.relpath(os.path.join(root, name), folder)
