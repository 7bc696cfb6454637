"""What a corpus lists, checked clip by clip: nothing is dropped without a word."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from espnet2_distilmos.utils.audio import open_audio
from espnet2_distilmos.utils.datadir import to_float
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import USUAL_SCALE

SCALE = USUAL_SCALE


@dataclass(frozen=True)
class Entry:
    """One clip as a corpus lists it, not yet checked.

    Attributes:
        utt: ID, without blanks (:func:`clean_id`).
        wav: where its audio should lie.
        mos: the label's text; empty = none.
        system: ID of the system, without blanks; empty = none.
        where: FILE:LINE.
        more: further labels, name -> text (NISQA's dimensions).
        speaker: ID of the talker, without blanks; empty = not known.
    """

    utt: str
    wav: Path
    mos: str
    system: str
    where: str
    more: Mapping[str, str] = field(default_factory=dict)
    speaker: str = ""


@dataclass(frozen=True)
class Clip:
    """One clip that has passed; attributes as in :class:`Entry`, labels as numbers."""

    utt: str
    wav: str
    mos: float
    system: str
    more: Mapping[str, float]
    speaker: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, a line of `skipped.txt`.

    Attributes:
        dset: set, or `-`.
        item: ID of the clip, or name of the file.
        kind: what it is, in words that many findings share; for counting.
        detail: what exactly.
        known: it belongs to the corpus as published and is no reason to worry.
        kept: the clip is used nevertheless.
    """

    dset: str
    item: str
    kind: str
    detail: str = ""
    known: bool = False
    kept: bool = False

    def line(self) -> str:
        """Return the line: set, item, what became of it, kind, detail; tabs between."""
        state = "kept" if self.kept else "skipped"
        detail = " ".join(self.detail.split())
        return f"{self.dset}\t{self.item}\t{state}\t{self.kind}\t{detail}\n"


def clean_id(text: str) -> str:
    """Return `text` with underscores for spaces: IDs are words."""
    return re.sub(r"\s+", "_", text.strip())


def check_sets(
    sets: Mapping[str, Sequence[Entry]],
    known: Optional[Mapping[str, str]] = None,
    scale: Tuple[float, float] = SCALE,
    on_scale: Optional[Mapping[str, Tuple[float, float]]] = None,
) -> Tuple[Dict[str, List[Clip]], List[Finding]]:
    """Check every clip of every set.

    Left out, each with a finding: clips known to be of no use, without label, with a
    label that is no number or outside the scale, without system, listed twice with
    different labels, without audio file, with a file that cannot be opened, is cut off
    or holds no samples, and clips that a later set has too (test sets come last, so a
    leak costs the training set a clip). Of audio the structure is read, not the
    samples: so counts are known for an eighth of what formatting takes, or less.

    Args:
        sets: name of the set -> its clips; training set first, test sets last.
        known: ID -> reason why the published clip is left out.
        scale: lowest and highest label (MOS).
        on_scale: further label -> its lowest and highest value. One beyond is left out,
            with a finding; the clip is kept.

    Returns:
        Clips of each set, sorted by the bytes of the ID, and the findings.
    """
    known = known or {}
    owner: Dict[str, str] = {}
    clips: Dict[str, List[Clip]] = {}
    findings: List[Finding] = []
    for dset in reversed(sets):
        listed: Dict[str, List[Entry]] = {}
        for entry in sets[dset]:
            listed.setdefault(entry.utt, []).append(entry)
        clips[dset] = []
        for utt in sorted(listed, key=str.encode):
            entries = listed[utt]
            if utt in known:
                findings.append(Finding(dset, utt, known[utt], known=True))
                continue
            if utt in owner:
                detail = f"{owner[utt]} has it; {entries[0].where}"
                findings.append(Finding(dset, utt, "in two sets", detail))
                continue
            owner[utt] = dset
            clip = _check_clip(dset, entries, scale, on_scale or {}, findings)
            if clip is not None:
                clips[dset].append(clip)
    return {dset: clips[dset] for dset in sets}, findings


def _check_clip(
    dset: str,
    entries: Sequence[Entry],
    scale: Tuple[float, float],
    on_scale: Mapping[str, Tuple[float, float]],
    findings: List[Finding],
) -> Optional[Clip]:
    entry = entries[0]

    def leave_out(kind: str, detail: str) -> None:
        findings.append(Finding(dset, entry.utt, kind, f"{detail}; {entry.where}"))

    if len(entries) > 1:
        places = ", ".join(e.where for e in entries)
        if len({(e.mos, e.system, e.wav) for e in entries}) > 1:
            values = ", ".join(e.mos for e in entries)
            findings.append(
                Finding(
                    dset, entry.utt, "listed twice, differently", f"{values}; {places}"
                )
            )
            return None
        findings.append(
            Finding(dset, entry.utt, "listed twice, the same", places, kept=True)
        )
    if not entry.mos:
        return leave_out("no label", "empty")
    try:
        mos = to_float(entry.mos)
    except ValueError as e:
        return leave_out("label is no number", str(e))
    low, high = scale
    if not low <= mos <= high:
        return leave_out(f"label outside {low:g} to {high:g}", entry.mos)
    if not entry.system:
        return leave_out("no system", "empty")
    if not entry.wav.is_file():
        return leave_out("no audio file", str(entry.wav))
    try:
        with open_audio(entry.wav) as f:
            if f.frames == 0:
                return leave_out("audio without samples", str(entry.wav))
    except UserError as e:
        return leave_out("unreadable audio", str(e))
    more = {}
    for name, text in entry.more.items():
        kind = f"no number as {name}"
        try:
            value = to_float(text)
            low, high = on_scale.get(name, (value, value))
            if not low <= value <= high:
                kind = f"{name} outside {low:g} to {high:g}"
                raise ValueError(kind)
            more[name] = value
        except ValueError:
            detail = f"{text!r}; {entry.where}"
            findings.append(Finding(dset, entry.utt, kind, detail, kept=True))
    return Clip(entry.utt, str(entry.wav), mos, entry.system, more, entry.speaker)


def split_by_system(
    sets: Mapping[str, Sequence[Clip]], splits: Mapping[str, Collection[str]]
) -> Tuple[Dict[str, List[Clip]], List[Finding]]:
    """Make sets of whole systems out of others, of a corpus that has no split.

    Args:
        sets: checked clips.
        splits: name of a set to make -> its systems.

    Returns:
        Clips of each set that is made, sorted by the bytes of the ID, and a finding for
        every clip of a system that is in none of them.
    """
    if not splits:
        return {}, []
    clips = [(dset, clip) for dset in sets for clip in sets[dset]]
    clips.sort(key=lambda item: item[1].utt.encode())
    made = {
        name: [clip for _, clip in clips if clip.system in systems]
        for name, systems in splits.items()
    }
    known = {system for systems in splits.values() for system in systems}
    findings = [
        Finding(dset, clip.utt, f"system in none of {', '.join(splits)}", clip.system,
                kept=True)
        for dset, clip in clips
        if clip.system not in known
    ]  # fmt: skip
    return made, findings


def unlabelled(
    folder: Path, entries: Iterable[Entry], known: Optional[Mapping[str, str]] = None
) -> List[Finding]:
    """Return a finding for every wav in `folder` that no entry names.

    Hidden files (macOS puts `._x.wav` beside `x.wav`) are called what they are.

    Args:
        folder: audio, not looked at below.
        entries: all clips of all sets.
        known: name of the file -> why it has no label.
    """
    known = known or {}
    named = {e.wav for e in entries}
    findings = []
    for path in sorted(folder.glob("*.wav")):
        if path in named:
            continue
        kind = known.get(path.name)
        if kind is None and path.name.startswith("."):
            kind = "hidden file, no clip of the corpus"
        findings.append(
            Finding(
                "-",
                path.name,
                kind or "audio without label",
                str(path),
                known=kind is not None,
            )
        )
    return findings


def count_kinds(findings: Iterable[Finding]) -> Dict[str, int]:
    """Return the number of findings of each kind, most frequent first."""
    return dict(Counter(f.kind for f in findings).most_common())
