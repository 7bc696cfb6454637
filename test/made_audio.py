"""Audio files of many formats, whole and otherwise, made on the spot."""

import os

import numpy as np
import soundfile

RATE = 16000


def noise(seconds, seed=0, channels=1, rate=RATE):
    """(n, channels) float32: noise far below full scale."""
    shape = round(seconds * rate), channels
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype("f4")


def encoded(path, samples, rate=RATE, codec="aac", container=None, **options):
    """Write a file with FFmpeg; return its bytes. `options` are the container's."""
    import av

    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 64000
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        context = stream.codec_context
        resampler = av.AudioResampler(context.format.name, context.layout, rate)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in stream.encode(part):
                if packet.size:
                    out.mux(packet)
    return path.read_bytes()


def written(path, samples, rate=RATE, **options):
    """Write a file with libsndfile; return its bytes."""
    soundfile.write(os.fsencode(path), samples, rate, **options)
    return path.read_bytes()


def with_total(flac, total):
    """A FLAC whose header tells `total` samples; 0 = unknown (RFC 9639)."""
    changed = bytearray(flac)
    changed[21] = changed[21] & 0xF0 | total >> 32
    changed[22:26] = (total & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)
