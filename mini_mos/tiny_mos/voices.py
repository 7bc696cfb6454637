"""The synthetic voices, those that train and those that only test."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.utils.files import folder_lock
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.tiny_mos.neural import speak_hibari, speak_kokoro
from mini_mos.tiny_mos.sentences import JAPANESE, english
from mini_mos.tts_engines.voices import Voice, synthesize


@dataclass(frozen=True)
class Spoken:
    """A voice, what it says, and where its clips go.

    Attributes:
        voice: engine, name, and kind of synthesis.
        share: `train`, or `test` for a voice that no training clip has.
        n_clips: how many sentences.
    """

    voice: Voice
    share: str
    n_clips: int

    @property
    def system(self) -> str:
        """Its name as a system: `flite_awb`."""
        return f"{self.voice.engine}_{self.voice.name}"


# Kinds as in the table of the recipe. Kokoro's Japanese sentences are few, so the same
# are said by all of its voices; the English ones differ from voice to voice.
NEURAL, STATISTICAL, CONCATENATIVE, FORMANT = (
    "neural",
    "statistical",
    "concatenative",
    "formant",
)
SPOKEN = (
    Spoken(Voice("hibari", "heart", NEURAL), "train", 120),
    Spoken(Voice("kokoro", "jf_alpha", NEURAL), "train", len(JAPANESE)),
    Spoken(Voice("kokoro", "jf_gongitsune", NEURAL), "train", len(JAPANESE)),
    Spoken(Voice("kokoro", "jm_kumo", NEURAL), "train", len(JAPANESE)),
    Spoken(Voice("flite", "awb", STATISTICAL), "train", 50),
    Spoken(Voice("flite", "rms", STATISTICAL), "train", 50),
    Spoken(Voice("festival", "cmu_us_slt_arctic_hts", STATISTICAL), "train", 50),
    Spoken(Voice("espeak-ng", "en-us", FORMANT), "train", 60),
    Spoken(Voice("kokoro", "jf_nezumi", NEURAL), "test", len(JAPANESE)),
    Spoken(Voice("kokoro", "jf_tebukuro", NEURAL), "test", len(JAPANESE)),
    Spoken(Voice("flite", "slt", STATISTICAL), "test", 30),
    Spoken(Voice("festival", "kal_diphone", CONCATENATIVE), "test", 30),
    Spoken(Voice("espeak-ng", "en-gb-x-rp", FORMANT), "test", 30),
)


def speak_all(
    spoken: Sequence[Spoken], folder: Path, root: Path, request: Dict[str, Any]
) -> Dict[str, Dict[str, str]]:
    """Let the voices speak; what is whole is not made again.

    Args:
        spoken: voices.
        folder: gets <system>/wav/<system>-<sentence>.wav and a stamp for each.
        root: folder with Debian's engines.
        request: what decides the clips besides: versions of the packages, the seed.

    Returns:
        system -> utterance -> file.

    Raises:
        UserError: an engine is not there, or fails.
    """
    folder = folder.resolve()
    made = {}
    for i, one in enumerate(spoken):
        texts = _texts(one, seed=i)
        wavs = folder / one.system / "wav"
        files = {name: wavs / f"{one.system}-{name}.wav" for name in texts}
        what = {**request, "texts": texts, "voice": one.voice.name}
        with folder_lock(wavs):
            paths = list(files.values())
            if not is_whole(wavs.parent / "voice.yaml", what, partial(_given, paths)):
                logging.info(f"{wavs}: {counted(len(files), 'sentence')}")
                _speak(one.voice, texts, files, root)
                write_stamp(wavs.parent / "voice.yaml", what, kind=one.voice.kind)
        made[one.system] = {path.stem: str(path) for path in files.values()}
    return made


def _given(paths: List[Path], _: Dict[str, Any]) -> List[Path]:
    return paths


def _texts(one: Spoken, seed: int) -> Dict[str, str]:
    if one.voice.engine == "kokoro":
        numbered: List[str] = [f"j{i:03d}" for i in range(one.n_clips)]
        return dict(zip(numbered, JAPANESE))
    return english(one.n_clips, seed)


def _speak(
    voice: Voice, texts: Dict[str, str], files: Dict[str, Path], root: Path
) -> None:
    if voice.engine == "hibari":
        speak_hibari(texts, files)
    elif voice.engine == "kokoro":
        speak_kokoro(texts, files, voice.name)
    else:
        synthesize(voice, {files[name]: text for name, text in texts.items()}, root)
