"""Speech in packages of Debian and Ubuntu, fetched by any user, without root.

Speech: Asterisk core sounds (G.722, 16 kHz), one voice talent a language. Licences:
CC BY-SA 3.0 for en, es, fr and it (Allison Smith, June Wallack, Carlo Flora and
others), CC BY 3.0 for ru (Maxim Topal); see the `copyright` file that is kept with
each speaker.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Dict

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_yaml
from mini_mos.corpus.speech import have_programs
from mini_mos.debian import download, field, unpack

LANGUAGES = ("en", "es", "fr", "it", "ru")
LICENCE = (
    "Clean speech: Asterisk core sounds, CC BY-SA 3.0 (en, es, fr, it) and "
    "CC BY 3.0 (ru); the names of the voice talents are in speech/*/copyright."
)
_REMEDY = (
    "give clean speech with --speech_dir DIR (one folder a speaker), or run on Debian "
    "or Ubuntu with apt-get, dpkg-deb and access to a package mirror"
)


def package(language: str) -> str:
    """Return the name of a language's package."""
    return f"asterisk-core-sounds-{language}-g722"


@dataclass(frozen=True)
class SpeechPackage:
    """A package and where its speech is.

    Attributes:
        name: Debian's name.
        voice: the folder to keep, below the root of the unpacked package.
    """

    name: str
    voice: Callable[[Path], Path]


def _asterisk_voice(root: Path) -> Path:
    voices = [p for p in (root / "usr/share/asterisk/sounds").iterdir() if p.is_dir()]
    return max(voices, key=lambda p: sum(1 for _ in p.rglob("*.g722")))


def _unpack(deb: Path, key: str, package: SpeechPackage, folder: Path) -> dict:
    """Unpack one package to `folder`/<key>; return what is worth recording."""
    root = deb.parent / f"root_{key}"
    unpack(deb, root)
    voice = package.voice(root)
    shutil.copy(root / f"usr/share/doc/{package.name}/copyright", voice)
    target = folder / key
    if target.exists():  # of a run that was killed before packages.yaml
        shutil.rmtree(target)
    shutil.move(voice, target)
    return {
        "package": package.name,
        "version": field(deb, "Version"),
        "sha256": sha256_file(deb),
        "voice": voice.name,
    }


def fetch_packages(
    folder: Path, packages: Mapping[str, SpeechPackage], what: str
) -> Dict[str, dict]:
    """Fill `folder`/<key>/ from each package; do nothing if that is done.

    Args:
        folder: speech, and `packages.yaml`, which is written last.
        packages: key -> package.
        what: what is downloaded and how much, for the log.

    Returns:
        Key -> package, version, sha256, voice (also in `packages.yaml`).

    Raises:
        UserError: no apt-get, or the packages cannot be had; says both ways out.
    """
    record = folder / "packages.yaml"
    if record.exists():
        return read_yaml(record)
    if not have_programs("apt-get", "dpkg-deb"):
        raise UserError(f"no apt-get and dpkg-deb here to fetch speech; {_REMEDY}")
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".tmp*"):  # of a run that was killed
        shutil.rmtree(left)
    logging.info(f"Downloading clean speech of {what}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp") as name:
        tmp = Path(name).resolve()
        names = [one.name for one in packages.values()]
        download(names, tmp, f"the clean speech ({', '.join(names)})", _REMEDY)
        made = {}
        for key, one in packages.items():
            (deb,) = tmp.glob(f"{one.name}_*.deb")
            made[key] = _unpack(deb, key, one, folder)
    write_yaml(record, made)
    return made


def debian_speech(folder: Path) -> Dict[str, dict]:
    """Fill `folder`/<en, es, fr, it, ru>/*.g722; see :func:`fetch_packages`."""
    packages = {la: SpeechPackage(package(la), _asterisk_voice) for la in LANGUAGES}
    return fetch_packages(folder, packages, f"{len(LANGUAGES)} languages (55 MB)")
