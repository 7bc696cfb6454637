"""Lossy codecs through PyAV (FFmpeg's libraries, no program is called)."""

import io

import av
import numpy as np

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, log
from mini_mos.corpus.signal import align

# Bits a second that LAME takes at 16 kHz (MPEG-2 layer III).
_MP3_RATES = np.array([8, 16, 24, 32, 40, 48, 56, 64])


def _frames(x: np.ndarray) -> av.AudioFrame:
    pcm = np.clip(np.round(x * 32767), -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    frame.pts = 0
    return frame


def decode(source) -> np.ndarray:
    """Decode a file (path or file object) to float32 (T,) at 16 kHz, mono.

    Raises:
        av.error.FFmpegError: damaged or unknown file.
    """
    parts = []
    with av.open(source) as container:
        stream = container.streams.audio[0]
        stream.thread_type = "NONE"
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in container.decode(stream):
            parts += [f.to_ndarray()[0] for f in resampler.resample(frame)]
        parts += [f.to_ndarray()[0] for f in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def transcode(
    x: np.ndarray, codec: str, container: str, bits_a_second: int, options: dict
) -> np.ndarray:
    """Encode and decode `x` (T,), take the codec's delay out, keep the length."""
    # A peak above full scale would clip, which is another family.
    gain = min(1.0, 0.98 / max(float(np.max(np.abs(x))), 1e-12))
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = bits_a_second
        stream.codec_context.thread_count = 1
        stream.options = options
        # The tail pushes the last speech through the codec's look-ahead.
        padded = np.concatenate([x * gain, np.zeros(SAMPLE_RATE // 8)])
        for packet in stream.encode(_frames(padded)):
            out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    file.seek(0)
    return align(x, decode(file) / gain)


@family("aac", strength={"kbit_s": log(64, 5)})
def aac(x, rng, *, kbit_s: float) -> np.ndarray:
    """Code as AAC-LC."""
    return transcode(x, "aac", "adts", round(kbit_s * 1000), {})


@family(
    "opus",
    strength={"kbit_s": log(48, 5)},
    character=lambda rng: {
        "application": str(rng.choice(["voip", "audio", "lowdelay"])),
        "frame_ms": int(rng.choice([10, 20, 40])),
    },
    held_out=True,
)
def opus(x, rng, *, kbit_s: float, application: str, frame_ms: int) -> np.ndarray:
    """Code as Opus, variable bit rate."""
    if application == "lowdelay":
        frame_ms = min(frame_ms, 20)
    options = {"application": application, "frame_duration": str(frame_ms)}
    return transcode(x, "libopus", "ogg", round(kbit_s * 1000), options)


@family("mp3", strength={"kbit_s": log(64, 8)}, held_out=True)
def mp3(x, rng, *, kbit_s: float) -> np.ndarray:
    """Code as MP3 at the nearest rate that the format knows."""
    rate = int(_MP3_RATES[np.argmin(np.abs(np.log(_MP3_RATES / kbit_s)))])
    return transcode(x, "libmp3lame", "mp3", rate * 1000, {})
