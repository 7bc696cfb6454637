"""Data directories of a published corpus, with counts, findings and provenance."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Tuple

from espnet2_distilmos.corpora.checks import (
    SCALE,
    Clip,
    Entry,
    Finding,
    check_sets,
    count_kinds,
    split_by_system,
)
from espnet2_distilmos.corpora.ratings import Ratings, write_ratings
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    sha256_file,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.terminal import counted


@dataclass(frozen=True)
class Published:
    """What the publication says: set -> clips, and set -> systems where it does."""

    clips: Mapping[str, int]
    systems: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Listing:
    """What was read from a corpus.

    Attributes:
        published: counts to compare with; known exclusions count as found.
        sets: set -> its clips; training set first, test sets last.
        absent: set -> the table that is not there, for sets that cannot be made.
        tables: all tables read.
        findings: what the readers found; the checks add theirs.
        known: ID -> why a published clip is left out.
        ratings: set -> ratings of single listeners; empty where not asked for.
        splits: set -> systems, of a corpus that has no split: further sets, of whole
            systems, made of the clips of `sets`.
        scale: lowest and highest label.
        scales: further scale -> its name in `more` of the clips, in order; written to
            `utt2scores`.
    """

    published: Published
    sets: Dict[str, List[Entry]] = field(default_factory=dict)
    absent: Dict[str, str] = field(default_factory=dict)
    tables: List[Path] = field(default_factory=list)
    findings: List[Finding] = field(default_factory=list)
    known: Dict[str, str] = field(default_factory=dict)
    ratings: Dict[str, Ratings] = field(default_factory=dict)
    splits: Mapping[str, Collection[str]] = field(default_factory=dict)
    scale: Tuple[float, float] = SCALE
    scales: Mapping[str, str] = field(default_factory=dict)

    def entries(self) -> List[Entry]:
        """Return the clips of all sets."""
        return [e for entries in self.sets.values() for e in entries]


def write_corpus(
    name: str,
    listing: Listing,
    data_dir: PathLike,
    strict: bool = False,
    **provenance: Any,
) -> None:
    """Check all clips and write the data directories.

    Writes::

        <data_dir>/<set>/         wav.scp utt2mos utt2sys utt2spk spk2utt, and
                                  utt2<name> for further labels, utt2scores if some
                                  of them are scales, utt2ratings if there are ratings
        <data_dir>/skipped.txt    what was left out or is odd, a line each:
                                  set, clip, skipped or kept, kind, detail
        <data_dir>/corpus.yaml    counts, published and found, tables and options

    Args:
        name: of the corpus.
        listing: what was read.
        data_dir: parent of the data directories.
        strict: stop where a count differs, before any data directory is written.
        provenance: written to corpus.yaml.

    Raises:
        UserError: nothing to write, a set of which nothing is left, or, if `strict`,
            other counts than published.
    """
    data_dir = Path(data_dir)
    if not listing.sets:
        raise UserError(
            f"{name}: none of {', '.join(listing.absent.values())} is there"
        )
    on_scale = dict.fromkeys(listing.scales.values(), listing.scale)
    sets, findings = check_sets(listing.sets, listing.known, listing.scale, on_scale)
    made, unused = split_by_system(sets, listing.splits)
    sets.update(made)
    findings = listing.findings + findings + unused
    ratings = dict(listing.ratings)
    if ratings:
        whole = {u: r for of_set in ratings.values() for u, r in of_set.items()}
        ratings.update(dict.fromkeys(made, whole))
    with folder_lock(data_dir):
        # Before anything can fail: it says why.
        _write_findings(data_dir, findings)
        differences = _differences(listing, sets, findings)
        if differences and strict:
            raise UserError(
                f"{name}: {'; '.join(differences)} (--strict true; what was left out: "
                f"{data_dir / 'skipped.txt'})"
            )
        for difference in differences:
            logging.warning(f"{name}: {difference}")
        empty = [s for s, clips in sets.items() if not clips]
        if empty:
            kinds = count_kinds(f for f in findings if f.dset == empty[0])
            raise UserError(
                f"{name}: no clip of {empty[0]} is left: {_text(kinds)}; see "
                f"{data_dir / 'skipped.txt'}"
            )
        for dset in listing.absent:
            # What another folder of the corpus had must not pass for this one's.
            (data_dir / dset / "wav.scp").unlink(missing_ok=True)
        for dset, clips in sets.items():
            _write_set(data_dir / dset, dset, clips, ratings, listing.scales, findings)
        _write_findings(data_dir, findings)
        write_yaml(
            data_dir / "corpus.yaml",
            {
                "corpus": name,
                **provenance,
                "tables": {str(t): sha256_file(t) for t in listing.tables},
                "sets": _counts(sets, listing.published),
                "differences": differences,
                "findings": count_kinds(findings),
            },
        )
    for dset, clips in sets.items():
        kinds = count_kinds(f for f in findings if f.dset == dset)
        logging.info(
            f"{data_dir / dset}: {counted(len(clips), 'clip')} of "
            f"{counted(_n_systems(clips), 'system')}"
            + (f"; {_text(kinds)}" if kinds else "")
        )
    if findings:
        kinds = _text(count_kinds(findings))
        logging.info(f"{name}: {kinds}: each is listed in {data_dir / 'skipped.txt'}")


def _text(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{n} x {kind}" for kind, n in kinds.items()) or "none was listed"


def _n_systems(clips: Sequence[Clip]) -> int:
    return len({c.system for c in clips})


def _counts(sets: Mapping[str, Sequence[Clip]], published: Published) -> dict:
    return {
        dset: {
            "clips": len(clips),
            "clips_published": published.clips.get(dset),
            "systems": _n_systems(clips),
            "systems_published": published.systems.get(dset),
        }
        for dset, clips in sets.items()
    }


def _differences(
    listing: Listing,
    sets: Mapping[str, Sequence[Clip]],
    findings: Sequence[Finding],
) -> List[str]:
    """Return one text for each set that is not as published."""
    published = listing.published
    found = [
        f"{dset}: no {table}, so no clip; {published.clips.get(dset, 'some')} are "
        "published"
        for dset, table in listing.absent.items()
    ]
    for dset, clips in sets.items():
        known = sum(f.known for f in findings if f.dset == dset)
        n = len(clips) + known
        if n != published.clips.get(dset, n):
            found.append(
                f"{dset}: {counted(n, 'clip')}, {published.clips[dset]} are published"
            )
        n = _n_systems(clips)
        if n != published.systems.get(dset, n):
            found.append(
                f"{dset}: {counted(n, 'system')}, {published.systems[dset]} are "
                "published"
            )
    return found


def _write_findings(data_dir: Path, findings: Sequence[Finding]) -> None:
    lines = sorted(f.line() for f in findings)
    write_text(data_dir / "skipped.txt", "".join(lines))


def _write_set(
    folder: Path,
    dset: str,
    clips: Sequence[Clip],
    ratings: Mapping[str, Ratings],
    scales: Mapping[str, str],
    findings: List[Finding],
) -> None:
    # `wav.scp`, written last, says that the folder is whole.
    (folder / "wav.scp").unlink(missing_ok=True)
    (folder / "utt2ratings").unlink(missing_ok=True)
    if dset in ratings:
        write_ratings(folder / "utt2ratings", dset, clips, ratings[dset], findings)
    for name in sorted({name for clip in clips for name in clip.more}):
        values = {c.utt: c.more[name] for c in clips if name in c.more}
        write_lines(folder / f"utt2{name}", values)
    scores = None
    if scales:
        scores = {
            c.utt: {s: c.more[name] for s, name in scales.items() if name in c.more}
            for c in clips
        }
    DataDir(
        wavs={c.utt: c.wav for c in clips},
        mos={c.utt: c.mos for c in clips},
        systems={c.utt: c.system for c in clips},
        speakers={c.utt: c.speaker or c.utt for c in clips},
        scores=scores,
    ).save(folder)
