"""Speech for pretraining, and what must not be in it."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.debian import (
    SpeechPackage,
    debian_speech,
    fetch_packages,
)
from mini_mos.corpus.plan import (
    SETS,
    UNHEARD_LANGUAGES,
    split_prompts,
)
from mini_mos.corpus.speech import Prompt, find_speech
from mini_mos.corpus.systems import family_names

# Both are dubbings of one game: each language has other actors for the same lines.
FILLETS = {la: f"fillets-ng-data-{la}" for la in ("cs", "nl")}
LICENCES = {
    "mini_mos": "Asterisk core sounds, CC BY-SA 3.0 (en, es, fr; the names of the "
    "voice talents are in the packages' copyright files)",
    "fillets": "Fish Fillets NG, dialogues in Czech and Dutch, GPL-2 (ALTAR "
    "interactive and others, see the packages' copyright files)",
}
_FILLETS_ROLE = re.compile(r"[^-]+-([mv])-")
# The corpora of the recipes split their prompts with this seed unless told otherwise.
_MINI_MOS_SEED = 0


@dataclass(frozen=True)
class Exclusion:
    """What no pretraining clip may contain.

    Attributes:
        prompts: set of mini_mos -> sorted names of its prompts.
        keys: audio hashes (:class:`Prompt`) of all these recordings.
        speakers: speakers of `test_speaker`.
        families: degradations of `test_system`.
    """

    prompts: Dict[str, List[str]]
    keys: List[str]
    speakers: List[str]
    families: List[str]

    def to_dict(self) -> dict:
        """Return plain types for exclusion.yaml."""
        return {
            "note": "Nothing of this is in the pretraining corpus. No synthetic "
            "(TTS) voice is in it either.",
            "prompts": self.prompts,
            "speakers": self.speakers,
            "families": self.families,
            "audio_keys": self.keys,
        }

    def check(self, prompts: Sequence[Prompt], families: Sequence[str]) -> None:
        """Refuse prompts or families that are excluded.

        Raises:
            UserError: names the first one found.
        """
        names = {n for own in self.prompts.values() for n in own}
        keys = set(self.keys)
        for p in prompts:
            if p.name in names or p.key in keys or p.speaker in self.speakers:
                raise UserError(
                    f"{p.path}: speaker {p.speaker}, prompt {p.name} is on the "
                    "exclusion list of the test sets; take it out of the speech"
                )
        heard = sorted(set(families).intersection(self.families))
        if heard:
            raise UserError(f"family {heard[0]} is held out for test_system")


@dataclass(frozen=True)
class Speech:
    """Clean recordings by use.

    Attributes:
        mini_mos: training prompts of the mini_mos corpus.
        more: all other speech.
        held_out: prompts of mini_mos' `valid`, for probes; never trained on.
        exclusion: what is kept out.
        skipped: (path, reason) of each file that was left out.
    """

    mini_mos: List[Prompt]
    more: List[Prompt]
    held_out: List[Prompt]
    exclusion: Exclusion
    skipped: List[Tuple[str, str]]


def _fillets_voices(root: Path) -> Path:
    """Sort `<scene>/<language>/<name>.ogg` by role: `m`, `v`, `other`."""
    source, target = root / "usr/share/games/fillets-ng/sound", root / "voices"
    for path in sorted(source.rglob("*.ogg")):
        role = _FILLETS_ROLE.match(path.name)
        scene = path.relative_to(source).parts[0]
        folder = target / (role[1] if role else "other") / scene
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(path, folder / path.name)
    return target


def fetch_speech(folder: Path) -> Dict[str, dict]:
    """Fill `folder`/mini_mos/ and `folder`/more/ from Debian's packages (120 MB).

    A part that is there already, in whatever way it came, is left as it is.

    Returns:
        Key -> package, version and so on of what was fetched now or before.

    Raises:
        UserError: the packages cannot be had.
    """
    packages = {}
    if not (folder / "mini_mos").is_dir() or _fetched(folder / "mini_mos"):
        packages.update(debian_speech(folder / "mini_mos"))
    if not (folder / "more").is_dir() or _fetched(folder / "more"):
        wanted = {
            f"fillets_{la}": SpeechPackage(name, _fillets_voices)
            for la, name in FILLETS.items()
        }
        packages.update(
            fetch_packages(folder / "more", wanted, "a game in two languages (65 MB)")
        )
    return packages


def _fetched(folder: Path) -> bool:
    """Tell whether `folder` was made by :func:`fetch_packages`, or was about to be."""
    return (folder / "packages.yaml").exists() or any(folder.glob(".tmp*"))


def find_sources(folder: Path) -> Speech:
    """Sort the speech below `folder` into what may be used and what may not.

    Layout: `mini_mos/<speaker>/...`, the prompts from which the corpus of the MOS
    recipe is made with its default options, and `more/<collection>/<speaker>/...`.
    A speaker of `more` is named <collection>_<speaker>.

    Raises:
        UserError: no speech, or something in `more` that is on the exclusion list.
    """
    # As in prepare_mini_mos: another list of prompts would be split otherwise.
    prompts, skipped = find_speech(folder / "mini_mos", long_ones=False)
    unheard = {p.speaker for p in prompts} & set(UNHEARD_LANGUAGES)
    pools = split_prompts(prompts, unheard, list(SETS), _MINI_MOS_SEED)
    tested = [p for s in SETS if s != "train" for p in pools[s]]
    exclusion = Exclusion(
        prompts={s: sorted({p.name for p in pools[s]}) for s in SETS if s != "train"},
        # All of an unheard speaker, whether a set has drawn the recording or not.
        keys=sorted(
            {p.key for p in tested} | {p.key for p in prompts if p.speaker in unheard}
        ),
        speakers=sorted(UNHEARD_LANGUAGES),
        families=family_names(held_out=True),
    )
    more: List[Prompt] = []
    collections = sorted(p for p in (folder / "more").iterdir() if p.is_dir())
    for collection in collections:
        found, left = find_speech(collection)
        skipped += left
        more += [
            Prompt(f"{collection.name}_{p.speaker}", p.name, p.path, p.key)
            for p in found
        ]
    speech = Speech(pools["train"], more, pools["valid"], exclusion, skipped)
    exclusion.check([*speech.mini_mos, *speech.more], family_names(held_out=False))
    return speech
