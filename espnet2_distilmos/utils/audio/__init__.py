"""Audio files of any format, read to their end, or refused."""

from espnet2_distilmos.utils.audio.reader import (
    SAMPLE_RATE,
    AudioReader,
    Recording,
    open_audio,
    read_16k,
    read_audio,
    read_recording,
    require_rate,
)

__all__ = [
    "SAMPLE_RATE",
    "AudioReader",
    "Recording",
    "open_audio",
    "read_16k",
    "read_audio",
    "read_recording",
    "require_rate",
]
