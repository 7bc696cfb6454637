"""Audio files of any format, read to their end, or refused."""

from espnet2_distilmos.utils.audio.checks import SAMPLE_RATE, Checks, average, is_silent
from espnet2_distilmos.utils.audio.reader import AudioReader, open_audio, require_rate
from espnet2_distilmos.utils.audio.recording import (
    Recording,
    read_16k,
    read_audio,
    read_recording,
)

__all__ = [
    "SAMPLE_RATE",
    "AudioReader",
    "Checks",
    "Recording",
    "average",
    "is_silent",
    "open_audio",
    "read_16k",
    "read_audio",
    "read_recording",
    "require_rate",
]
