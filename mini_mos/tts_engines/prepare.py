"""Decode folders of TTS engines and of human prompts, as tts.sh leaves them."""

import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import soundfile

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import read_lines, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    read_yaml,
    sha256_file,
    write_yaml,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.debian import package
from mini_mos.corpus.families.codec import decode
from mini_mos.corpus.speech import find_speech, have_programs
from mini_mos.debian import download, field, unpack
from mini_mos.tts_engines.voices import PACKAGES, VOICES, synthesize

PROMPTS = package("en")
_REMEDY = (
    "run on Debian or Ubuntu with apt-get, dpkg-deb and access to a package mirror"
)
# Prompts this long are sentences, not words.
_PROMPT_SECONDS = (2.5, 6.0)


def sentence(text: str) -> str:
    """Return a text that every engine takes as it stands, or ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9 ,.?!']+", text):
        raise ValueError(f"letters, digits, blanks and ,.?!' only, found {text!r}")
    return text


def prepare_tts_engines(
    text: PathLike,
    exp_dir: PathLike = "exp",
    download_dir: PathLike = "downloads",
    seed: int = 0,
) -> None:
    """Write `exp_dir`/ENGINE/VOICE/sentences/wav/, and human/asterisk_en/prompts/wav/.

    Each has wavs, `wav.scp` and, last, `engine.yaml`: packages, versions and text. What
    is whole is not made again. The human prompts are other sentences.

    Args:
        text: `ID SENTENCE` lines.
        exp_dir: decode folders.
        download_dir: packages.
        seed: picks the prompts, as many as there are sentences.

    Raises:
        UserError: no packages to be had, or an engine fails.
    """
    exp_dir = Path(exp_dir)
    texts = read_lines(text, sentence)
    root, packages = fetch_packages(Path(download_dir).resolve())
    request: Dict[str, Any] = {"text": sha256_file(text), "packages": packages}
    for voice in VOICES:
        wavs = exp_dir / voice.engine / voice.name / "sentences/wav"
        what = {**request, "voice": voice.name}
        with folder_lock(wavs):
            if is_whole(wavs / "engine.yaml", what):
                continue
            files = {utt: wavs / f"{voice.name}_{utt}.wav" for utt in texts}
            absolute = {files[utt].resolve(): said for utt, said in texts.items()}
            synthesize(voice, absolute, root)
            write_lines(wavs / "wav.scp", files)
            write_stamp(wavs / "engine.yaml", what, kind=voice.kind)
            logging.info(f"{wavs}: {counted(len(files), 'sentence')}")
    _prompts(
        exp_dir / "human/asterisk_en/prompts/wav", root, len(texts), seed, packages
    )


def _prompts(wavs: Path, root: Path, count: int, seed: int, packages: dict) -> None:
    """Write `count` human prompts, picked by the seed, decoded to wav."""
    request = {"packages": packages, "count": count, "seed": seed}
    with folder_lock(wavs):
        if is_whole(wavs / "engine.yaml", request):
            return
        found, _ = find_speech(root / "usr/share/asterisk/sounds", long_ones=False)
        low, high = (seconds * SAMPLE_RATE / 2 for seconds in _PROMPT_SECONDS)
        long = [p for p in found if low <= Path(p.path).stat().st_size <= high]
        if len(long) < count:
            raise UserError(f"{PROMPTS}: {len(long)} prompts, {count} are needed")
        chosen = np.random.default_rng(seed).choice(len(long), count, replace=False)
        files = {}
        for i in sorted(chosen):
            files[long[i].name] = wavs / f"{long[i].name}.wav"
            samples = decode(long[i].path)
            soundfile.write(files[long[i].name], samples, SAMPLE_RATE)
        write_lines(wavs / "wav.scp", files)
        write_stamp(wavs / "engine.yaml", request, kind="human voice")
        logging.info(f"{wavs}: {counted(count, 'prompt')}")


def fetch_packages(folder: Path) -> Tuple[Path, Dict[str, str]]:
    """Return the folder with the unpacked packages, and the version of each."""
    root, record = folder / "root", folder / "packages.yaml"
    if record.exists():
        return root, read_yaml(record)
    if not have_programs("apt-get", "dpkg-deb"):
        raise UserError(f"no apt-get and dpkg-deb here to fetch engines; {_REMEDY}")
    with folder_lock(folder), tempfile.TemporaryDirectory(dir=folder) as name:
        tmp = Path(name)
        logging.info("Downloading TTS engines and prompts (about 60 MB)")
        wanted = [*PACKAGES, PROMPTS]
        download(wanted, tmp, "the TTS engines", _REMEDY, dependencies=True)
        if root.exists():  # of a run that was killed
            shutil.rmtree(root)
        versions = {}
        for deb in sorted(tmp.glob("*.deb")):
            unpack(deb, root)
            versions[field(deb, "Package")] = field(deb, "Version")
        write_yaml(record, versions)
    return root, versions
