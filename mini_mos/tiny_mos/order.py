"""Clips whose order is known without a listener: less and more noise, poorer voices."""

from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import soundfile

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.files import atomic_path
from mini_mos.corpus.families.noise import coloured
from mini_mos.corpus.signal import add_at_snr, generator
from mini_mos.corpus.speech import Prompt, read_clean
from mini_mos.tiny_mos.voices import CONCATENATIVE, FORMANT, NEURAL, STATISTICAL

# dB; None = none. Ranks are 4 to 1.
NOISE = (None, 20, 10, 0)
HUMAN = "human"
# Statistical voices have no rank of their own: parametric or concatenative, either may
# be the better one.
VOICE_RANKS = {HUMAN: 4.0, NEURAL: 3.0, CONCATENATIVE: 2.0, FORMANT: 1.0}


def write_noise_ladder(
    prompts: List[Prompt], folder: Path, seed: int
) -> Tuple[DataDir, Dict[str, str]]:
    """Write each prompt clean and with pink noise at 20, 10 and 0 dB.

    Args:
        prompts: clean speech that no training clip has.
        folder: gets the wavs.
        seed: of the noise.

    Returns:
        The set: ranks as labels, noise levels as systems; and utterance -> file of the
        clips without noise.
    """
    wavs, ranks, systems, speakers = {}, {}, {}, {}
    clean = {}
    for prompt in prompts:
        x = read_clean(prompt.path)
        for rank, snr in enumerate(reversed(NOISE), 1):
            name = "clean" if snr is None else f"snr{snr}"
            utt = f"{prompt.speaker}-{name}-{prompt.name}"
            y = x
            if snr is not None:
                noise = coloured(len(x), generator(seed, "ladder", utt), 1.0)
                y = add_at_snr(x, noise, snr)
            y = y * min(1.0, 0.99 / float(np.max(np.abs(y))))
            path = (folder / f"{utt}.wav").resolve()
            with atomic_path(path) as tmp:
                pcm = np.round(y * 32767).astype(np.int16)
                soundfile.write(tmp, pcm, SAMPLE_RATE, subtype="PCM_16")
            wavs[utt], ranks[utt], systems[utt] = str(path), float(rank), name
            speakers[utt] = prompt.speaker
            if snr is None:
                clean[utt] = str(path)
    order = sorted(wavs, key=str.encode)
    return DataDir(wavs, ranks, systems, speakers).subset(order), clean


def voices_in_order(
    human: Dict[str, str], made: Dict[str, Dict[str, str]], kinds: Dict[str, str]
) -> DataDir:
    """Return the set of voices: ranks of their kinds as labels.

    Args:
        human: utterance -> file of human speech.
        made: system -> utterance -> file.
        kinds: system -> kind. Those of no rank are left out.
    """
    wavs, ranks, systems = dict(human), dict.fromkeys(human, VOICE_RANKS[HUMAN]), {}
    systems.update(dict.fromkeys(human, HUMAN))
    for system, files in made.items():
        if kinds[system] == STATISTICAL:
            continue
        for utt, wav in files.items():
            wavs[utt], ranks[utt], systems[utt] = (
                wav,
                VOICE_RANKS[kinds[system]],
                system,
            )
    order = sorted(wavs, key=str.encode)
    return DataDir(wavs, ranks, systems).subset(order)
