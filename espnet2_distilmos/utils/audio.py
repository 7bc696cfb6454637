"""Audio files: what libsndfile reads."""

import os
import re
from typing import Tuple

import numpy as np
import soundfile

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

SAMPLE_RATE = 16000


# What libsndfile tells of a chunk of samples that the file has no room for. Recorders
# that write to a pipe promise some 2 or 4 GB: these are not cut off.
_PROMISE = re.compile(r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.M)
_ENDLESS = 0x7FFF0000


def open_audio(path: PathLike) -> soundfile.SoundFile:
    """Open a file that libsndfile reads.

    Raises:
        UserError: no such file, no audio, or fewer samples than its header promises.
    """
    text = os.fsdecode(path)
    if "\0" in text:  # the C library would take what stands before it
        raise UserError(f"{path}: a NUL character in a path; correct the list")
    # A named pipe would be waited for, for ever.
    if os.path.exists(text) and not os.path.isfile(text):
        raise UserError(f"{path}: not a file; an audio file is needed")
    try:
        # As bytes: soundfile itself can only name files in UTF-8.
        f = soundfile.SoundFile(os.fsencode(text))
    except (OSError, soundfile.SoundFileError) as e:
        why = str(getattr(e, "error_string", e)).rstrip(".")
        raise UserError(
            f"{path}: cannot be read as audio ({why}); is it there, and whole?"
        ) from e
    match = _PROMISE.search(f.extra_info)
    if match:
        promised, there = map(int, match.groups())
        if there < promised < _ENDLESS:
            f.close()
            raise UserError(
                f"{path}: cut off, {there} of {promised} bytes of samples are there; "
                "copy or make it again"
            )
    return f


def require_all(f: soundfile.SoundFile, path: PathLike, n_read: int) -> None:
    """Refuse a FLAC of which fewer samples came than its header promises.

    Its decoder does not always tell. MP3 and Ogg are played as far as they go.

    Raises:
        UserError: cut off.
    """
    if f.format == "FLAC" and n_read < f.frames < _ENDLESS:
        raise UserError(
            f"{path}: cut off, {n_read} of {f.frames} samples are there; copy or make "
            "it again"
        )


def read_audio(path: PathLike) -> Tuple[np.ndarray, int]:
    """Read a file as float32, channels averaged.

    Returns:
        (N,) samples in [-1, 1] and the sampling rate in Hz.

    Raises:
        UserError: no such file, no audio, cut off, no samples, NaN or Inf among them.
    """
    with open_audio(path) as f:
        try:
            samples, rate = f.read(dtype="float32", always_2d=True), f.samplerate
        except (OSError, soundfile.SoundFileError) as e:
            raise UserError(f"{path}: cannot be read as audio ({e})") from e
        require_all(f, path, len(samples))
    if len(samples) == 0:
        raise UserError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: holds NaN or Inf samples")
    return samples.mean(axis=1), rate


def read_16k(path: PathLike) -> np.ndarray:
    """Read a file that stage 1 has formatted.

    Returns:
        (N,) float32 samples at 16 kHz.

    Raises:
        UserError: as :func:`read_audio`, or another sampling rate.
    """
    samples, rate = read_audio(path)
    if rate != SAMPLE_RATE:
        raise UserError(
            f"{path}: {rate} Hz; stage 1 makes 16000 Hz files, run it first"
        )
    return samples
