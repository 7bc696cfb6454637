"""Clips for probes: recordings that pretraining never heard, clean and degraded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import List, Tuple, Union

import numpy as np

from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.families import FAMILIES
from mini_mos.corpus.signal import Unusable, generator
from mini_mos.corpus.speech import Prompt, read_clean
from mini_mos.corpus.systems import Link, System, family_names
from mini_mos.corpus.work import parallel
from mini_mos.pretrain.config import CorpusConfig
from mini_mos.pretrain.corpus import plan_corpus
from mini_mos.pretrain.sources import Speech

CLEAN = "clean"
LONGEST = 40000  # samples; more of a clip only costs time
_LOWEST = 0.1  # severity; below it most degradations cannot be heard
# Debian's English and Spanish prompts are by the same voice talent.
_SAME_VOICE = {"en": "en_es", "es": "en_es"}


@dataclass(frozen=True)
class ProbeClip:
    """One clip.

    Attributes:
        samples: (T,) float32 at 16 kHz.
        prompt: name of what is said; the same in all languages.
        voice: who says it.
        language: first part of the speaker's name, or of the collection's last.
        kind: family of the degradation, or `clean`.
        severity: in [0, 1]; NaN if clean.
    """

    samples: np.ndarray
    prompt: str
    voice: str
    language: str
    kind: str
    severity: float


def language_of(speaker: str) -> str:
    """Return `fr` of `fr`, `cs` of `fillets_cs_m`."""
    parts = speaker.split("_")
    return parts[-2] if len(parts) > 2 else parts[0]


def probe_prompts(speech: Speech, config: CorpusConfig, seed: int) -> List[Prompt]:
    """Return recordings of `valid`, of the corpus and of mini_mos, once each.

    Recordings whose speaker is unknown (`..._other`) are left out.
    """
    planned = plan_corpus(speech, config, seed)
    trained = {i.prompt.key for i in planned if i.part == "train"}
    held = {i.prompt.key: i.prompt for i in planned if i.part == "valid"}
    held.update({p.key: p for p in speech.held_out})
    if trained.intersection(held):
        raise ValueError("a recording is in both parts")
    known = [p for p in held.values() if not p.speaker.endswith("_other")]
    return sorted(known, key=lambda p: (p.speaker, p.name))


def _make(item: Tuple[Prompt, str], seed: int) -> Union[ProbeClip, str]:
    prompt, kind = item
    try:
        x = read_clean(prompt.path)[:LONGEST]
        rng = generator(seed, "probe", prompt.speaker, prompt.name, kind)
        severity = float(rng.uniform(_LOWEST, 1))
        chain: Tuple[Link, ...] = ()
        if kind != CLEAN:
            chain = (Link(kind, 1.0, FAMILIES[kind].character(rng)),)
        # Without a link the level alone varies, as with all others.
        system = System(kind, False, severity, 0.0, 0.0, chain)
        y = system.degrade(x, seed, "probe", prompt.speaker, prompt.name)
    except Unusable as e:
        return f"{prompt.path}: {e}"
    return ProbeClip(
        y.astype(np.float32),
        prompt.name,
        _SAME_VOICE.get(prompt.speaker, prompt.speaker),
        language_of(prompt.speaker),
        kind,
        float("nan") if kind == CLEAN else severity,
    )


def make_probe_clips(
    prompts: Sequence[Prompt], versions: int, seed: int, nj: int
) -> Tuple[List[ProbeClip], List[str]]:
    """Return each recording clean, and `versions` times with one degradation.

    Returns:
        The clips, and why recordings were left out.

    Raises:
        UserError: no usable recording.
    """
    families = family_names(held_out=False)
    items = []
    for n, prompt in enumerate(prompts):
        items.append((prompt, CLEAN))
        # In turn, so that all families are heard equally often.
        turn = [families[(n * versions + k) % len(families)] for k in range(versions)]
        items += [(prompt, kind) for kind in turn]
    made = list(parallel(_make, items, nj, "Probe clips", seed=seed))
    clips = [m for m in made if isinstance(m, ProbeClip)]
    if not clips:
        raise UserError(f"no usable recording for the probes among {len(prompts)}")
    return clips, [m for m in made if isinstance(m, str)]
