"""TTS engines of Debian and Ubuntu, run from a folder that their packages are in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

from espnet2_distilmos.utils.errors import UserError

# Data packages are named though programs need them: if they are installed already, they
# are wanted in the folder, too.
PACKAGES = (
    "espeak-ng",
    "espeak-ng-data",
    "festival",
    "festlex-cmu",
    "festlex-poslex",
    "festvox-kallpc16k",
    "festvox-us-slt-hts",
    "flite",
    "libestools2.5",
    "libflite1",
)
_SECONDS = 120.0


@dataclass(frozen=True)
class Voice:
    """One voice of one engine.

    Attributes:
        engine: espeak-ng, festival or flite.
        name: the engine's name of the voice.
        kind: how it makes speech.
    """

    engine: str
    name: str
    kind: str


VOICES = (
    Voice("espeak-ng", "en-us", "formants"),
    Voice("festival", "cmu_us_slt_arctic_hts", "hidden Markov models"),
    Voice("festival", "kal_diphone", "diphones"),
    Voice("flite", "awb", "statistical (clustergen)"),
    Voice("flite", "rms", "statistical (clustergen)"),
    Voice("flite", "slt", "statistical (clustergen)"),
)


def synthesize(voice: Voice, texts: Dict[Path, str], root: Path) -> None:
    """Speak texts into wav files, at the voice's own sampling rate.

    Args:
        voice: one of `VOICES`.
        texts: wav file -> what to say. Only letters, digits and plain punctuation.
        root: folder that `PACKAGES` were unpacked into.

    Raises:
        UserError: the engine failed, or wrote no file.
    """
    if voice.engine == "festival":
        # One process for all: festival takes a moment to start.
        script = "".join(
            f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{wav}" \'riff)\n'
            for wav, text in texts.items()
        )
        share = root / "usr/share/festival"
        lib = root / "usr/lib/festival"
        options = ["--datadir", f"{share}/", "--libdir", f"{lib}/", "--pipe"]
        _run(root, ["festival", *options], f"(voice_{voice.name})\n{script}")
    for wav, text in texts.items():
        if voice.engine == "espeak-ng":
            (data,) = root.glob("usr/lib/*/espeak-ng-data")
            options = [f"--path={data.parent}", "-v", voice.name, "-w", str(wav)]
            _run(root, ["espeak-ng", *options, text])
        elif voice.engine == "flite":
            options = ["-voice", voice.name, "-t", text, "-o", str(wav)]
            _run(root, ["flite", *options])
        if not wav.is_file() or wav.stat().st_size < 1000:
            raise UserError(f"{voice.engine} {voice.name}: no speech for {text!r}")


def _run(root: Path, command: List[str], text: str = "") -> None:
    """Run a program of `root` with the libraries that lie there."""
    folders = sorted({str(path.parent) for path in root.glob("usr/lib/**/*.so*")})
    folders.append(os.environ.get("LD_LIBRARY_PATH", ""))
    program = root / "usr/bin" / command[0]
    try:
        done = subprocess.run(
            [str(program), *command[1:]],
            input=text,
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, folders))},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UserError(f"{program}: cannot be run ({e})") from e
    # Festival's code is 0 after an error, too.
    if done.returncode != 0 or "ERROR" in done.stderr:
        said = " ".join(done.stderr.split()) or f"code {done.returncode}"
        raise UserError(f"{program}: {said}")
