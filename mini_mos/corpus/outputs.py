"""What the corpus leaves behind: data directories, tables, and how it was made."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Dict, List, Tuple

import av

from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_text
from mini_mos.corpus.plan import Clip
from mini_mos.corpus.speech import Prompt
from mini_mos.corpus.work import Result, wav_path
from mini_mos.tsv import write_tsv

# Of what the code of this room makes. Count on where the same options and speech give
# another clip or label, and only there: a corpus of another number is made anew.
FORMAT = 1
PROMPTS = "utt2prompt"  # in a data directory: clip -> what is said
_MADE_BY = ("numpy", "scipy", "soundfile", "soxr", "av", "pesq")


def versions() -> dict:
    """Return versions of the libraries that audio and labels come from."""
    libraries = {k: ".".join(map(str, v)) for k, v in av.library_versions.items()}
    return {
        **{name: version(name) for name in _MADE_BY},
        "libavcodec": libraries["libavcodec"],
    }


def fingerprint_of(options: dict, prompts: Sequence[Prompt]) -> str:
    """Return a hash of all that the corpus depends on; FORMAT stands for the code.

    Where the recordings lie is no part of it.
    """
    speech = [(p.speaker, p.name, p.key) for p in prompts]
    content = [FORMAT, options, versions(), speech]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_data_dirs(
    data_dir: Path,
    audio_dir: Path,
    clips: Mapping[str, Sequence[Clip]],
    results: Mapping[str, Result],
) -> Dict[str, List[float]]:
    """Write the data directories; return set -> labels."""
    labels = {}
    for s, planned in clips.items():
        good = [c for c in planned if results[c.utt].mos is not None]
        if not good:
            raise UserError(
                f"{s}: no clip could be labelled, e.g. {results[planned[0].utt].reason}"
            )
        mos = {c.utt: results[c.utt].mos for c in good}
        DataDir(
            wavs={c.utt: str(wav_path(audio_dir / "wav", c)) for c in good},
            mos=mos,
            systems={c.utt: c.system for c in good},
            speakers={c.utt: c.prompt.speaker for c in good},
        ).save(data_dir / s)
        # What is said: translations of a sentence are one prompt, as in the plan.
        write_lines(data_dir / s / PROMPTS, {c.utt: c.prompt.name for c in good})
        labels[s] = list(mos.values())
    return labels


def write_tables(
    audio_dir: Path,
    clips: Mapping[str, Sequence[Clip]],
    results: Mapping[str, Result],
    skipped: Sequence[Tuple[str, str]],
    failed: Sequence[Tuple[str, str]],
) -> None:
    """Write clips.tsv (every planned clip) and skipped.txt (what is missing, why)."""
    rows = []
    for clip in (c for planned in clips.values() for c in planned):
        p, mos = clip.prompt, results[clip.utt].mos
        shown = "" if mos is None else f"{mos:.6f}"
        rows.append([clip.utt, clip.set_name, clip.system, p.speaker, p.name, shown])
    columns = ("utt", "set", "system", "speaker", "prompt", "pesq_mos")
    write_tsv(audio_dir / "clips.tsv", columns, rows)
    lines = [f"{item}\t{reason}\n" for item, reason in [*skipped, *failed]]
    write_text(audio_dir / "skipped.txt", "".join(lines))
