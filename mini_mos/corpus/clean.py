"""The undegraded recordings of a set of mini_mos, for clusters of clean speech."""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Dict, Optional, Tuple

import numpy as np
import soundfile

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import DataDir, read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    read_yaml,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.speech import find_speech, read_clean

CLEAN = "clean"


def source_of(name: str) -> str:
    """Return the set with the same recordings: `clean` train's, `clean_X` X's.

    Raises:
        UserError: another name.
    """
    if name == CLEAN:
        return "train"
    if not name.startswith(f"{CLEAN}_"):
        raise UserError(f"{name}: clean or clean_SET is expected")
    return name.removeprefix(f"{CLEAN}_")


def write_clean_set(
    name: str,
    data_dir: PathLike,
    audio_dir: PathLike,
    speech_dir: Optional[PathLike] = None,
) -> None:
    """Write data directory `name`: the recordings that its source's clips are made of.

    Once each, as it was before it was degraded: 16 kHz mono, 16 bit, -26 dB RMS, at
    most 6 s. No labels. What an earlier call made is kept.

    Writes::

        <data_dir>/<name>/        wav.scp utt2spk spk2utt
        <audio_dir>/wav/<name>/   <speaker>-clean-<prompt>.wav, and clean.yaml

    Args:
        name: see :func:`source_of`. The source may be any set of clips of this corpus.
        data_dir: that of `prepare_mini_mos`, which has run.
        audio_dir: likewise.
        speech_dir: likewise.

    Raises:
        UserError: no such corpus or source, or a recording that is not there any more.
    """
    data_dir, audio_dir = Path(data_dir), Path(audio_dir)
    source = data_dir / source_of(name) / "wav.scp"
    clips: Dict[str, Tuple[str, str]] = {}
    for utt in read_wav_scp(source):
        speaker, *system, prompt = utt.split("-")
        if len(system) != 1:
            raise UserError(f"{source}: {utt}: speaker-system-prompt is expected")
        clips[f"{speaker}-clean-{prompt}"] = (speaker, prompt)
    folder = audio_dir / "wav" / name
    request = {
        "corpus": read_yaml(audio_dir / "provenance.yaml")["fingerprint"],
        "clips_sha256": hashlib.sha256(json.dumps(sorted(clips)).encode()).hexdigest(),
        "code_sha256": sha256_file(__file__),
    }
    wavs = {utt: str(folder / f"{utt}.wav") for utt in sorted(clips)}
    with folder_lock(audio_dir):
        there = (data_dir / name / "wav.scp").exists()
        if is_whole(folder / "clean.yaml", request) and there:
            return
        shutil.rmtree(folder, ignore_errors=True)
        # As in the preparation of the corpus: only short ones of Debian's prompts.
        speech = audio_dir / "speech" if speech_dir is None else speech_dir
        prompts, _ = find_speech(speech, long_ones=speech_dir is not None)
        paths = {(p.speaker, p.name): p.path for p in prompts}
        for utt, wav in wavs.items():
            if clips[utt] not in paths:
                raise UserError(
                    f"{speech}: the recording of {utt} is not there; run local/data.sh "
                    "with the options that the corpus was made with"
                )
            x = read_clean(paths[clips[utt]])
            x = x * min(1.0, 0.99 / float(np.max(np.abs(x))))
            with atomic_path(wav) as tmp:
                pcm = np.round(x * 32767).astype(np.int16)
                soundfile.write(tmp, pcm, SAMPLE_RATE, subtype="PCM_16")
        speakers = {utt: speaker for utt, (speaker, _) in sorted(clips.items())}
        DataDir(wavs, speakers=speakers).save(data_dir / name)
        write_stamp(folder / "clean.yaml", request)
    logging.info(
        f"{data_dir / name}: {counted(len(wavs), 'undegraded recording')} of {source}"
    )
