"""The folds of formatted sets, as formatted sets."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.corpora.folds.deal import Clip, deal_folds
from espnet2_distilmos.corpora.folds.told import counts, note, sizes, told_of
from espnet2_distilmos.corpora.formatted import (
    SAMPLES,
    number_systems,
    why_not_trained,
    write_formatted,
)
from espnet2_distilmos.utils.datadir import (
    DATA_FILES,
    DataDir,
    read_words,
    require_same_ids,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    require_folder,
    sha256_file,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.folds import KEPT_APART, NOTES, PARTS, RECORD, Folds
from espnet2_distilmos.utils.labels import LABELS, Labels
from espnet2_distilmos.utils.set_names import named_sets
from espnet2_distilmos.utils.stamp import (
    FORMAT_STAMP,
    audio_request,
    digest_of,
    is_whole,
    write_stamp,
)
from espnet2_distilmos.utils.terminal import counted


def make_folds(
    data_dirs: Sequence[PathLike],
    output_dir: PathLike,
    n_folds: int,
    by: str = "system",
    seed: int = 0,
    min_seconds: Optional[float] = None,
    max_seconds: Optional[float] = None,
    train_dirs: Sequence[PathLike] = (),
) -> Folds:
    """Write the folds of some sets (:mod:`espnet2_distilmos.utils.folds` says where).

    Audio is used where it lies. Clips of bad length train in no fold (`dropped.txt`
    beside the set of all clips lists them), and are tested like the others.

    Args:
        data_dirs: formatted sets of one corpus, with labels; all their clips are used.
        output_dir: folder to write.
        n_folds: how many folds.
        by: what no two folds share, a key of KEPT_APART.
        seed: of the draws (:func:`~.deal.deal_folds`).
        min_seconds: shorter clips do not train; None = all do.
        max_seconds: longer clips do not train; None = all do.
        train_dirs: formatted sets whose clips train in every fold, and are not dealt.

    Returns:
        Where they are.

    Raises:
        UserError: a set that lacks something, a clip in two of them, or folds that
            cannot be made.
    """
    output_dir = Path(output_dir)
    sets = named_sets([*data_dirs, *train_dirs])
    dealt_sets = dict(list(sets.items())[: len(data_dirs)])
    folds = Folds(output_dir, n_folds, by)
    require_folder(folds.whole, *sets.values())
    request: Dict[str, Any] = {
        "n_folds": n_folds,
        "by": by,
        "seed": seed,
        "min_seconds": min_seconds,
        "max_seconds": max_seconds,
        "sets": {
            name: {
                **{
                    file: sha256_file(folder / file)
                    for file in (*DATA_FILES, LABELS)
                    if (folder / file).exists()
                },
                **audio_request(folder),
            }
            for name, folder in sets.items()
        },
    }
    if train_dirs:  # only then: folds that an earlier version made stay whole
        request["dealt"] = list(dealt_sets)
    parts = [folds.part(i + 1, part) for i in range(n_folds) for part in PARTS]
    with folder_lock(output_dir):
        made = [folder / "wav.scp" for folder in (folds.whole, *parts)]
        if is_whole(output_dir / RECORD, request, lambda _: made):
            return folds
        whole = _Whole(sets, dealt_sets, by)
        dropped = whole.dropped(min_seconds, max_seconds)
        try:
            dealt = deal_folds(whole.clips(by, dropped), n_folds, by, seed)
        except UserError as e:
            where = ", ".join(map(str, dealt_sets.values()))
            raise UserError(f"{where}: {e}") from e
        always = [utt for utt in whole.always if utt not in dropped]
        whole.write(folds.whole, whole.dealt)
        write_text(
            folds.whole / "dropped.txt",
            "".join(f"{utt} {why}\n" for utt, why in dropped.items()),
        )
        for i, fold in enumerate(dealt, 1):
            for part in PARTS:
                utts = [c.utt for c in getattr(fold, part)]
                if part == "train":
                    utts += always
                whole.write(folds.part(i, part), utts)
            write_yaml(
                output_dir / f"fold{i}" / NOTES, {"test": note(i, n_folds, fold, by)}
            )
        n_dropped = len(dropped.keys() & set(whole.dealt))
        told = told_of(folds, list(dealt_sets), dealt, n_dropped)
        if train_dirs:
            others = "+".join(name for name in sets if name not in dealt_sets)
            told += f" {counted(len(always), 'clip')} of {others} train in every fold."
        write_yaml(output_dir / NOTES, {folds.name: told})
        write_stamp(
            output_dir / RECORD,
            request,
            folds=[counts(fold) for fold in dealt],
            told=told,
        )
    for i, fold in enumerate(dealt, 1):
        logging.info(f"{output_dir}/fold{i}: {sizes(fold, by)}")
    logging.info(f"{folds.whole}: {told}")
    return folds


class _Whole:
    """All clips of some formatted sets.

    Args:
        sets: name -> folder.
        dealt: those of them whose clips are dealt; the others train in every fold.
        by: what folds keep apart.

    Attributes:
        dealt: IDs of the clips that are dealt.
        always: of those that train in every fold.

    Raises:
        UserError: see :func:`make_folds`.
    """

    def __init__(self, sets: Mapping[str, Path], dealt: Mapping[str, Path], by: str):
        loaded = {name: DataDir.load(folder) for name, folder in sets.items()}
        for name, data in loaded.items():
            if data.mos is None:
                raise UserError(f"{sets[name]}: has no utt2mos; folds need labels")
            file = KEPT_APART[by]
            if file is not None and not (sets[name] / file).exists():
                raise UserError(
                    f"{sets[name]}: has no {file}; folds by {by} need it; give another "
                    "--fold_by (clip needs nothing)"
                )
        self.data = _join(loaded, sets)
        self.dealt = [utt for name in dealt for utt in loaded[name].wavs]
        self.always = [
            u for name in sets if name not in dealt for u in loaded[name].wavs
        ]
        if by == "speaker" and len(set((self.data.speakers or {}).values())) == len(
            self.data.wavs
        ):
            raise UserError(
                f"{', '.join(map(str, sets.values()))}: every clip is a speaker of its "
                "own, so nothing is known of speakers; give another --fold_by"
            )
        self.samples: Dict[str, int] = {}
        for folder in sets.values():
            read = read_words(folder / SAMPLES)
            self.samples.update({utt: int(n) for utt, n in read.items()})
        require_same_ids({"wav.scp": self.data.wavs, SAMPLES: self.samples})
        self.labels = Labels.join(Labels.beside(folder) for folder in dealt.values())
        self.all_labels = Labels.join(Labels.beside(f) for f in sets.values())
        self.sys2id = number_systems(self.data)
        # Which samples: those of all clips; which of them, `utt2num_samples` says.
        audio = {name: audio_request(folder) for name, folder in sets.items()}
        self.audio_sha256 = digest_of(f"{name} {audio[name]}" for name in sorted(audio))

    def dropped(self, least: Optional[float], most: Optional[float]) -> Dict[str, str]:
        """Clips that cannot train -> why."""
        found = {
            utt: why_not_trained(n, least, most)
            for utt, n in sorted(self.samples.items())
        }
        return {utt: why for utt, why in found.items() if why}

    def clips(self, by: str, dropped: Mapping[str, str]) -> List[Clip]:
        """Return what is dealt."""
        groups = self.data.speakers if by == "speaker" else self.data.systems
        mos = self.data.mos or {}
        return [
            Clip(utt, mos[utt], (groups or {}).get(utt), utt not in dropped)
            for utt in sorted(self.dealt, key=str.encode)
        ]

    def write(self, folder: Path, utts: List[str]) -> None:
        """Write some of the clips as stage 1 writes a set."""
        (folder / "wav.scp").unlink(missing_ok=True)  # written last
        data = self.data.subset(sorted(utts, key=str.encode))
        others = set(self.always).intersection(utts)
        (self.all_labels if others else self.labels).carry(folder)
        write_formatted(folder, data, self.samples, self.sys2id)
        write_stamp(
            folder / FORMAT_STAMP,
            {"part_of": self.audio_sha256, "clips": digest_of(data.wavs)},
            audio_sha256=self.audio_sha256,
            wav_scp_sha256=sha256_file(folder / "wav.scp"),
        )


def _join(loaded: Mapping[str, DataDir], sets: Mapping[str, Path]) -> DataDir:
    """Return the clips of all sets; what one of them lacks, the whole lacks.

    Of ratings and of labels on further scales, that a set has none says that its clips
    have none.
    """
    found: Dict[str, str] = {}
    for name, data in loaded.items():
        for utt in data.wavs:
            if utt in found:
                raise UserError(
                    f"clip {utt} is in {sets[found[utt]]} and in {sets[name]}; name "
                    "sets without common clips (--fold_set)"
                )
            found[utt] = name
    none: Mapping[str, Any] = {"ratings": [], "scores": {}}

    def joined(name: str) -> Optional[Dict[str, Any]]:
        values = [getattr(data, name) for data in loaded.values()]
        if name in none and any(v is not None for v in values):
            values = [
                {**dict.fromkeys(data.wavs, none[name]), **(v or {})}
                for data, v in zip(loaded.values(), values)
            ]
        if any(v is None for v in values):
            return None
        return {u: part[u] for part in values for u in part}

    whole = DataDir(
        joined("wavs") or {},
        *map(joined, ("mos", "systems", "speakers", "corpora", "ratings", "scores")),
    )
    return whole.subset(sorted(whole.wavs, key=str.encode))
