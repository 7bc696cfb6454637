"""The Asterisk prompts of Debian and Ubuntu, fetched by any user, without root.

Speech: Asterisk core sounds (G.722, 16 kHz), one voice talent a language. Licences:
CC BY-SA 3.0 for en, es, fr and it (Allison Smith, June Wallack, Carlo Flora and
others), CC BY 3.0 for ru (Maxim Topal); see the `copyright` file that is kept with
each speaker.
"""

import logging
import shutil
import tempfile
from pathlib import Path

from espnet2_distilmos.corpora.debian import download, field, unpack
from espnet2_distilmos.corpora.mini_mos.speech import have_programs
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_yaml

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
    """Name of a language's package."""
    return f"asterisk-core-sounds-{language}-g722"


def _unpack(deb: Path, language: str, folder: Path) -> dict:
    """Unpack one package to `folder`/<language>; return what is worth recording."""
    root = deb.parent / f"root_{language}"
    unpack(deb, root)
    voices = [p for p in (root / "usr/share/asterisk/sounds").iterdir() if p.is_dir()]
    voice = max(voices, key=lambda p: sum(1 for _ in p.rglob("*.g722")))
    shutil.copy(root / f"usr/share/doc/{package(language)}/copyright", voice)
    target = folder / language
    if target.exists():  # of a run that was killed before packages.yaml
        shutil.rmtree(target)
    shutil.move(voice, target)
    return {
        "package": package(language),
        "version": field(deb, "Version"),
        "sha256": sha256_file(deb),
        "voice": voice.name,
    }


def debian_speech(folder: Path) -> dict[str, dict]:
    """Fill `folder`/<en, es, fr, it, ru>/*.g722; do nothing if that is done.

    Returns:
        Language -> package, version, sha256, voice (also in `packages.yaml`).

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
    logging.info(f"Downloading clean speech of {len(LANGUAGES)} languages (55 MB)")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp") as name:
        tmp = Path(name).resolve()
        names = [package(language) for language in LANGUAGES]
        download(names, tmp, f"the clean speech ({package('*')})", _REMEDY)
        packages = {}
        for language in LANGUAGES:
            (deb,) = tmp.glob(f"{package(language)}_*.deb")
            packages[language] = _unpack(deb, language, folder)
    write_yaml(record, packages)
    return packages
