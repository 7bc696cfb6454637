"""Sound inside a page: Ogg Opus, as far as a given size goes."""

import base64
import io
import logging
from collections.abc import Iterator, Sequence
from typing import Dict, Optional

import numpy as np
import soundfile
import soxr

from espnet2_distilmos.page.content import PageClip
from espnet2_distilmos.utils.audio import average, open_audio
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.terminal import counted

# Sampling rates (Hz) that Opus takes (RFC 6716); others become the highest.
_RATES = (8000, 12000, 16000, 24000, 48000)
_BLOCK_SECONDS = 10
# So many clips that do not fit, and the rest is not tried.
_MOST_MISSES = 10


def require_opus() -> None:
    """Refuse to begin where sound cannot be written as Opus.

    Raises:
        UserError: a libsndfile without Opus.
    """
    if "OPUS" not in soundfile.available_subtypes("OGG"):
        raise UserError(
            f"--embed_audio: libsndfile {soundfile.__libsndfile_version__} writes no "
            "Opus; pip install --upgrade soundfile brings one that does, or leave the "
            "option out: audio is linked then"
        )


def embedded(clips: Sequence[PageClip], megabytes: float) -> Dict[int, str]:
    """Return the number of a clip -> its sound as base64, the lowest scores first.

    Args:
        clips: of a page.
        megabytes: that all sounds together may add to the page.
    """
    left, misses = megabytes * 1e6, 0
    found: Dict[int, str] = {}
    scored = [i for i, clip in enumerate(clips) if clip.mos is not None and clip.path]
    for i in sorted(scored, key=lambda i: (clips[i].mos, i)):
        path = clips[i].path
        assert path is not None
        try:
            sound = as_opus(path, int(left * 3 / 4))
        except UserError as e:  # linked, it may be played all the same
            logging.warning(f"{clips[i].name}: not embedded: {e}")
            continue
        if sound is None:
            misses += 1
            if misses == _MOST_MISSES:
                break
            continue
        found[i] = base64.b64encode(sound).decode()
        left -= len(found[i])
    told = f"audio of {len(found)} of {counted(len(scored), 'clip')} is in the page"
    if len(found) < len(scored):
        told += f" ({megabytes:g} MB, the lowest scores first); the others are linked"
    logging.info(told)
    return found


def as_opus(path: PathLike, most_bytes: int) -> Optional[bytes]:
    """Return a file's sound, channels averaged, as Ogg Opus; None where it is larger.

    The bytes of two calls differ in the stream's number, which libsndfile draws.

    Args:
        path: audio file of any format.
        most_bytes: largest size.

    Raises:
        UserError: it cannot be read.
    """
    out = io.BytesIO()
    with open_audio(path) as f:
        rate = f.rate if f.rate in _RATES else _RATES[-1]
        with soundfile.SoundFile(
            out, "w", rate, 1, format="OGG", subtype="OPUS"
        ) as writer:
            for block in _resampled(f.blocks(_BLOCK_SECONDS * f.rate), f.rate, rate):
                writer.write(np.clip(block, -1.0, 1.0))
                if out.tell() > most_bytes:
                    return None
    sound = out.getvalue()
    return sound if len(sound) <= most_bytes else None


def _resampled(
    blocks: Iterator[np.ndarray], rate: int, wanted: int
) -> Iterator[np.ndarray]:
    """Yield (n,) samples of (n, channels) blocks at another rate (Hz)."""
    stream = None
    if rate != wanted:
        stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in blocks:
        mono = np.nan_to_num(average(block), posinf=0.0, neginf=0.0)
        yield mono if stream is None else stream.resample_chunk(mono)
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
