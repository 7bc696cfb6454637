"""Clean speech: Debian's Asterisk prompts, or any folder of audio files."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Set, Tuple

import av
import numpy as np
import soundfile
import soxr

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.search import find_audio
from mini_mos.corpus.families.codec import decode
from mini_mos.corpus.signal import Unusable, rms, set_level

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".g722")
MIN_SECONDS, MAX_SECONDS = 1.0, 6.0
SILENT_DB = -60.0  # a clip below this RMS level (re full scale) holds no speech
_G722_BYTES_A_SECOND = 8000
# Tones and a troop of monkeys among the Asterisk prompts.
_NO_SPEECH = re.compile(r"(beep|beeperr|.*-2tone|tt-monkeys|silence/.*)")


@dataclass(frozen=True)
class Prompt:
    """One clean recording.

    Attributes:
        speaker: letters, digits and underscores only.
        name: the same; unique within the speaker.
        path: audio file.
        key: hash of size and beginning of the file, to see changes and duplicates.
    """

    speaker: str
    name: str
    path: str
    key: str


def clean_id(text: str) -> str:
    """Return `text` with all but ASCII letters and digits replaced by underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "x"


def read_clean(path: PathLike) -> np.ndarray:
    """Read a clip as float64 (T,), 16 kHz mono, at -26 dB RMS re full scale.

    At most the first 6 s are read.

    Raises:
        Unusable: unreadable, silent or non-finite audio, with the reason.
    """
    path = Path(path)
    if path.suffix.lower() == ".g722":
        try:
            x = decode(str(path))[: int(MAX_SECONDS * SAMPLE_RATE)].astype(np.float64)
        except (av.FFmpegError, OSError, ValueError) as e:
            raise Unusable(f"unreadable audio ({_one_line(e)})") from e
    else:
        try:
            with soundfile.SoundFile(path) as f:
                rate = f.samplerate
                x = f.read(int(MAX_SECONDS * rate), "float64", always_2d=True)
        except (OSError, RuntimeError) as e:
            raise Unusable(f"unreadable audio ({_one_line(e)})") from e
        x = x.mean(axis=1)
        if rate != SAMPLE_RATE:
            x = soxr.resample(x, rate, SAMPLE_RATE)
    if len(x) == 0 or not np.all(np.isfinite(x)):
        raise Unusable("empty or non-finite audio")
    if 20 * np.log10(rms(x)) < SILENT_DB:
        raise Unusable("silent audio")
    return set_level(x)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _seconds(path: Path) -> float:
    """Return the duration from the header alone; Unusable if there is none."""
    if path.suffix.lower() == ".g722":
        return path.stat().st_size / _G722_BYTES_A_SECOND
    try:
        return soundfile.info(path).duration
    except (OSError, RuntimeError) as e:
        raise Unusable(f"unreadable audio ({_one_line(e)})") from e


def _key(path: Path) -> str:
    with open(path, "rb") as f:
        head = f.read(1 << 16)
    return hashlib.sha256(head + str(path.stat().st_size).encode()).hexdigest()[:16]


def find_speech(
    folder: PathLike, long_ones: bool = True
) -> Tuple[List[Prompt], List[Tuple[str, str]]]:
    """List the usable clips below `folder`, sorted by path.

    A speaker is a first-level folder; files directly in `folder` are `spk0`. Clips of
    at least 1 s are taken, at any sampling rate; hidden files are not looked at.

    Args:
        folder: clean speech.
        long_ones: take clips of more than 6 s too, of which 6 s will be used, and look
            into folders behind links: for a folder of the user's own.

    Returns:
        Prompts, and (path, reason) of each file that was left out.

    Raises:
        UserError: no such folder, or no usable clip in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --speech_dir needs clean speech")
    prompts: List[Prompt] = []
    skipped: List[Tuple[str, str]] = []
    owner: Dict[str, Path] = {}
    names: Set[Tuple[str, str]] = set()
    # Debian's packages have links, of which every name would be another prompt.
    search = find_audio(folder, AUDIO_SUFFIXES, links=long_ones)
    search.tell()
    files = sorted(folder / name for name in search.files)
    for path in files:
        *parents, stem = path.relative_to(folder).with_suffix("").parts
        inner = "/".join([*parents[1:], stem])
        try:
            if _NO_SPEECH.fullmatch(inner):
                raise Unusable("no speech")
            seconds = _seconds(path)
            if seconds < MIN_SECONDS:
                raise Unusable(f"{seconds:.2f} s long, less than {MIN_SECONDS:g} s")
            if seconds > MAX_SECONDS and not long_ones:
                raise Unusable(f"{seconds:.2f} s long, more than {MAX_SECONDS:g} s")
            key = _key(path)
            if key in owner:
                raise Unusable(f"same recording as {owner[key]}")
        except (OSError, Unusable) as e:
            skipped.append((str(path), str(e)))
            continue
        owner[key] = path
        speaker = clean_id(parents[0]) if parents else "spk0"
        name = clean_id(inner)
        if (speaker, name) in names:  # `a-b` and `a_b` look the same now
            name = f"{name}_{key[:6]}"
        names.add((speaker, name))
        prompts.append(Prompt(speaker, name, str(path), key))
    if not prompts:
        reason = f", e.g. {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise UserError(
            f"{folder}: no usable clip among {len(files)} audio files{reason}; clean "
            f"speech of at least {MIN_SECONDS:g} s a clip is needed "
            f"({', '.join(AUDIO_SUFFIXES)})"
        )
    return prompts, skipped


def have_programs(*names: str) -> bool:
    """Tell whether all programs are in PATH."""
    return all(shutil.which(name) for name in names)
