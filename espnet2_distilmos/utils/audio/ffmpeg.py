"""What libsndfile does not read, or not to its end, read by FFmpeg through PyAV."""

from collections.abc import Iterator
from io import RawIOBase
from typing import List, Optional

import numpy as np

from espnet2_distilmos.utils.audio.layout import Broken

# Formats that hold their sound themselves. FFmpeg also knows play lists and scripts,
# which name files and network addresses to be read: none of them is here.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,aac,ac3,eac3,amr,flac,ogg,wav,w64,caf,"
    "aiff,au,wv,tta,ape,mpc,mpc8,dsf,avi,flv,mpegts,rm"
)
# Of these the length that the header tells is one, and no guess from the bit rate.
_SURE_OF_LENGTH = ("mov", "matroska", "asf", "caf", "wv", "tta", "ape")
MISSING = (
    "libsndfile does not read it to its end; FFmpeg may: pip install av, and try again"
)


class FFmpegSound:
    """A sound, decoded by FFmpeg; the same calls as `soundfile.SoundFile`'s, a few.

    Args:
        file: open for reading, seekable.

    Attributes:
        samplerate: in Hz.
        channels: number of channels.
        frames: samples a channel, if the header is sure of it.
        notes: what is odd, in words.

    Raises:
        Broken: not read by FFmpeg either, no sound, or PyAV is not installed.
    """

    def __init__(self, file: RawIOBase):
        try:
            import av
        except ImportError as e:
            raise Broken(MISSING) from e
        self._error = av.FFmpegError
        self._container = self._open(av, file)
        streams = self._container.streams.audio
        if not streams:
            self.close()
            raise Broken("holds no sound")
        self._stream = streams[0]
        # None, or without a rate, where FFmpeg has no decoder or a header is damaged.
        context = self._stream.codec_context
        self.samplerate: int = getattr(context, "sample_rate", 0)
        self.channels: int = getattr(context, "channels", 0)
        if not self.samplerate or not self.channels:
            self.close()
            raise Broken("cannot be read as audio (FFmpeg does not know its codec)")
        self.frames: Optional[int] = None
        if self._container.format.name.split(",")[0] in _SURE_OF_LENGTH:
            seconds = (self._container.duration or 0) / av.time_base
            if self._stream.duration:
                seconds = float(self._stream.duration * self._stream.time_base)
            self.frames = round(seconds * self.samplerate) or None
        self.notes: List[str] = []
        if len(streams) > 1:
            self.notes.append(f"{len(streams)} sounds at once; the first is taken")

    def _open(self, av, file: RawIOBase):
        try:
            return av.open(file, options={"format_whitelist": _FORMATS})
        except (av.FFmpegError, ValueError, OSError) as e:
            raise Broken(f"cannot be read as audio ({_reason(e)})") from e

    def close(self) -> None:
        """Free what FFmpeg holds."""
        self._container.close()

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield (n, channels) float32 samples, `size` or somewhat more at a time.

        Raises:
            Broken: damaged, or its rate or channels change within.
        """
        waiting: List[np.ndarray] = []
        n_waiting = n = 0
        try:
            for frame in self._container.decode(self._stream):
                block = _samples(frame)
                n += len(block)
                if (frame.sample_rate, block.shape[1]) != (
                    self.samplerate,
                    self.channels,
                ):
                    raise Broken(changes(self.samplerate, self.channels, frame))
                waiting.append(block)
                n_waiting += len(block)
                if n_waiting >= size:
                    yield np.concatenate(waiting)
                    waiting, n_waiting = [], 0
        except (self._error, ValueError) as e:
            raise Broken(
                f"damaged or cut off at {n / self.samplerate:.2f} s ({_reason(e)}); "
                "copy or make it again"
            ) from e
        if waiting:
            yield np.concatenate(waiting)


def changes(rate: int, channels: int, other) -> str:
    """Return the complaint of a file whose parts cannot be one clip."""
    return (
        f"holds sounds of {rate} Hz, {channels} channels and of {other.sample_rate} Hz,"
        f" {other.layout.nb_channels} channels; write each to a file of its own"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _samples(frame) -> np.ndarray:
    """Return (n, channels) float32 in [-1, 1] of a decoded frame."""
    channels = frame.layout.nb_channels
    array = frame.to_ndarray()
    # Packed formats come as (1, n * channels), planar ones as (channels, n).
    array = array.T if frame.format.is_planar else array.reshape(-1, channels)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind == "u":  # 8 bits, 128 is zero
        return (array.astype(np.float32) - 128) / 128
    return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
