"""Audio files of any format: read to their end, or refused in words."""

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from typing import Any, Optional, Union

import numpy as np
import soundfile

from espnet2_distilmos.utils.audio.chunks import scan_chunks, scan_header
from espnet2_distilmos.utils.audio.ffmpeg import FFmpegSound
from espnet2_distilmos.utils.audio.flac import scan_flac
from espnet2_distilmos.utils.audio.layout import (
    ENDLESS,
    Broken,
    Bytes,
    Layout,
    Part,
    Window,
    cut_off,
    id3_length,
)
from espnet2_distilmos.utils.audio.mp3 import scan_mp3
from espnet2_distilmos.utils.audio.ogg import scan_ogg
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Speech is not sampled more slowly, and no converter is faster: beyond are damaged
# headers, which would make hours and gigabytes of a second of sound.
RATES = (4000, 768000)
MOST_CHANNELS = 64
# A decoder may leave out so many samples for its delay and the padding.
_MARGIN = 4 * 1152
_APPLE_DOUBLE = b"\0\5\x16\7"

Sound = Union[soundfile.SoundFile, FFmpegSound]


def require_rate(rate: int, name: str) -> None:
    """Refuse a sampling rate (Hz) that no speech has.

    Raises:
        UserError: below 4000 or over 768000.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(
            f"{name}: a sampling rate of {rate} Hz; {RATES[0]} to {RATES[1]} are read"
        )


class AudioReader:
    """An open audio file; made by :func:`open_audio`.

    Attributes:
        path: as given.
        rate: sampling rate in Hz.
        channels: number of channels.
        frames: samples a channel by its header, which may be wrong; None: not told.
        plain: libsndfile reads all of it without our help; by its header, until it is
            read.
        notes: what is odd about the file, in words; complete when it has been read.
        n_read: samples a channel, read so far.
    """

    def __init__(self, path: PathLike, fd: int, size: int):
        self.path, self._fd = path, fd
        self.n_read = 0
        self._sound: Any = None  # a Sound while the file is open
        try:
            layout = _layout(fd, size)
            self.notes = layout.notes
            self._parts = layout.parts
            self._sound = self._open(layout.parts[0], size)
        except Broken as e:
            raise UserError(f"{path}: {e}") from e
        self.rate, self.channels = self._sound.samplerate, self._sound.channels
        require_rate(self.rate, str(path))
        if self.channels > MOST_CHANNELS:
            raise UserError(
                f"{path}: {self.channels} channels; at most {MOST_CHANNELS} are read"
            )
        self.frames = self._sound.frames
        if layout.joined or (self.frames is not None and self.frames > ENDLESS):
            self.frames = None
        self.plain = isinstance(self._sound, soundfile.SoundFile) and (
            (layout.parts[0].start, layout.parts[0].end) == (0, size)
        )
        if layout.joined:
            n = len(layout.parts)
            self.notes.insert(0, f"{n} sounds joined in one file, read one by one")

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._sound is not None:
            self._sound.close()
            self._sound = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield (n, channels) float32 samples, about `size` at a time, to the end.

        Raises:
            UserError: cut off, damaged, or parts of different rates or channels.
        """
        for i, part in enumerate(self._parts):
            try:
                if i:
                    self._next(part)
                yield from self._blocks_of(part, size)
            except Broken as e:
                raise UserError(f"{self.path}: {e}") from e
            except (OSError, soundfile.SoundFileError) as e:
                raise UserError(
                    f"{self.path}: cannot be read as audio to its end ({_reason(e)}), "
                    "so it is damaged or cut off; copy or make it again"
                ) from e

    def _next(self, part: Part) -> None:
        self._sound.close()
        self._sound = self._open(part, -1)
        rate, channels = self._sound.samplerate, self._sound.channels
        if (rate, channels) != (self.rate, self.channels):
            raise Broken(
                f"holds sounds of {self.rate} Hz, {self.channels} channels and of "
                f"{rate} Hz, {channels} channels; write each to a file of its own"
            )

    def _window(self, part: Part) -> Window:
        return Window(self._fd, part.start, part.end)

    def _open(self, part: Part, size: int) -> Sound:
        """Open a part; `size` is that of the file."""
        if part.by_ffmpeg:
            return FFmpegSound(self._window(part))
        whole = (part.start, part.end) == (0, size)
        try:
            if whole:  # without a detour through Python for every read
                return soundfile.SoundFile(self._fd, closefd=False)
            return soundfile.SoundFile(self._window(part))
        except (OSError, soundfile.SoundFileError, TypeError) as e:
            os.lseek(self._fd, 0, os.SEEK_SET)
            why = _reason(e)
        try:
            return FFmpegSound(self._window(part))
        except Broken as e:
            if os.pread(self._fd, 4, 0) == _APPLE_DOUBLE:
                why = "a file that macOS puts beside another, not that file itself"
            # FFmpeg's word where it knows the format, libsndfile's where neither does.
            text = (
                str(e)
                if "no sound" in str(e)
                else f"cannot be read as audio ({why}); is it whole?"
            )
            raise Broken(text + (f"; {e}" if "pip install" in str(e) else "")) from e

    def _blocks_of(self, part: Part, size: int) -> Iterator[np.ndarray]:
        sound, before = self._sound, self.n_read
        if isinstance(sound, FFmpegSound):
            blocks = sound.blocks(size)
        else:
            blocks = _libsndfile_blocks(sound, size)
        for block in blocks:
            self.n_read += len(block)
            yield block
        self._judge(part, self.n_read - before)

    def _judge(self, part: Part, n: int) -> None:
        """Compare what came with what was promised."""
        sound = self._sound
        if isinstance(sound, FFmpegSound):
            self.notes.extend(sound.notes)
        elif n < sound.frames < ENDLESS:
            self.plain = False
            if sound.format == "FLAC":  # its decoder does not always tell
                raise cut_off(n, sound.frames, "samples")
        told = max(part.samples or 0, min(sound.frames or 0, ENDLESS))
        if n < told - _MARGIN:
            self.plain = False
            note = f"cut off: {n / self.rate:.2f} of {told / self.rate:.2f} s are there"
            self.notes[:] = [x for x in self.notes if not x.startswith("cut off")]
            self.notes.append(note)


def _layout(fd: int, size: int) -> Layout:
    """Return where the sounds of a file lie; in all of it, for unknown formats."""
    read = Bytes(fd, size)
    head = read(0, 16)
    found: Optional[Layout] = None
    tag = id3_length(head[:10])
    if head[:4] in (b"OggS", b"fLaC") or head[:1] == b"\xff" or tag:
        with mmap.mmap(fd, size, access=mmap.ACCESS_READ) as data:
            if head[:4] == b"OggS":
                found = scan_ogg(data, size)
            elif data[tag : tag + 4] == b"fLaC":
                found = scan_flac(data, size, tag)
            else:
                found = scan_mp3(data, size)
    elif head:
        found = scan_chunks(read) or scan_header(read)
    found = found or Layout([Part(0, size)])
    # What stands behind it troubles no decoder, except that libsndfile takes it for
    # samples in W64 and SPHERE.
    if not found.joined and head[:4] not in (b"riff", b"NIST"):
        found.parts[0].start, found.parts[0].end = 0, size
    return found


def _libsndfile_blocks(f: soundfile.SoundFile, size: int) -> Iterator[np.ndarray]:
    # Not f.blocks(), which believes the header: where a file ends before, it hands out
    # whatever the memory held.
    while len(block := f.read(size, "float32", always_2d=True)):
        yield block


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", None) or error).rstrip(".")


def open_audio(path: PathLike) -> AudioReader:
    """Open an audio file: what libsndfile reads, or else FFmpeg.

    Raises:
        UserError: no such file, no audio, fewer samples than its header promises, or a
            sampling rate or number of channels that no speech has.
    """
    text = os.fsdecode(path)
    if "\0" in text:  # the C library would take what stands before it
        raise UserError(f"{path}: a NUL character in a path; correct the list")
    try:
        # A named pipe would be waited for, for ever.
        fd = os.open(text, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno == errno.ENOENT:
            raise UserError(f"{path}: no such file") from e
        why = (e.strerror or str(e)).lower()
        raise UserError(f"{path}: cannot be opened ({why})") from e
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: not a file; an audio file is needed")
        if status.st_size == 0:
            raise UserError(f"{path}: cannot be read as audio (0 bytes)")
        opened, fd = fd, -1  # the reader's from now on
        return AudioReader(path, opened, status.st_size)
    finally:
        if fd >= 0:
            os.close(fd)
