"""Make the corpus tiny_mos: data directories for the model in the wheel."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.files import PathLike, folder_lock, sha256_file, write_yaml
from espnet2_distilmos.utils.labels import LABELS, Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.clean import write_clean_set
from mini_mos.corpus.prepare import Sizes, prepare_mini_mos
from mini_mos.corpus.signal import generator
from mini_mos.corpus.speech import find_speech
from mini_mos.tiny_mos.human import read_human
from mini_mos.tiny_mos.labels import ORDER, PREDICTED, blend
from mini_mos.tiny_mos.order import voices_in_order, write_noise_ladder
from mini_mos.tiny_mos.teacher import NAME, teacher_scores, teacher_version
from mini_mos.tiny_mos.voices import SPOKEN, speak_all
from mini_mos.tts_engines.prepare import fetch_packages

# Count on where the same options make another corpus.
FORMAT = 1
# PESQ of a clip against itself, wideband.
PERFECT_PESQ = 4.6439
# Sets of degraded clips -> those of their originals.
_CLEAN = {
    "train": "clean",
    **{s: f"clean_{s}" for s in ("valid", "test_speaker", "test_system")},
}
_SETS = ("train", "valid", "test_speaker", "order_noise", "order_voices", "voices")


@dataclass(frozen=True)
class TinySizes:
    """Clips of each kind.

    Attributes:
        train: degraded ones, of the families that mini_mos trains with.
        train_codecs: degraded ones of the families that mini_mos keeps apart (Opus,
            MP3, resynthesis...); they train here.
        valid: degraded ones for the choice of the checkpoint.
        test_speaker: degraded ones of other speakers.
        clean: undegraded human recordings.
        ladder: human recordings in the noise ladder.
        systems: systems of degradations.
    """

    train: int = 1400
    train_codecs: int = 500
    valid: int = 150
    test_speaker: int = 200
    clean: int = 150
    ladder: int = 40
    systems: int = 120


def prepare_tiny_mos(
    data_dir: PathLike,
    audio_dir: PathLike,
    human: Optional[Mapping[str, Path]] = None,
    human_labels: Optional[Mapping[str, Path]] = None,
    speech_dir: Optional[PathLike] = None,
    sizes: Optional[TinySizes] = None,
    seed: int = 0,
    nj: int = 2,
) -> None:
    """Make the corpus; what an earlier run with the same options made is kept.

    Writes data directories with a `labels.yaml` in each::

        <data_dir>/train, valid     degraded speech, clean speech, synthetic voices
        <data_dir>/test_speaker     degraded speech of other speakers
        <data_dir>/order_noise      clean, 20, 10, 0 dB: ranks instead of labels
        <data_dir>/order_voices     human, neural, concatenative, formant: likewise
        <data_dir>/voices           of train: what is undegraded, human or synthetic
        <data_dir>/human            human ratings on a scale of 1 to 5, where there are

    Args:
        data_dir: parent of the data directories.
        audio_dir: audio, packages, scores of the teacher.
        human: corpora of human ratings (:func:`~.human.read_human`).
        human_labels: what their labels are.
        speech_dir: clean speech; None for the Asterisk prompts of Debian.
        sizes: numbers of clips.
        seed: another seed, another corpus.
        nj: processes; changes no result.

    Raises:
        UserError: a package that is not there, or see the functions that are called.
    """
    data_dir, audio_dir = Path(data_dir), Path(audio_dir)
    sizes = sizes or TinySizes()
    teacher_version()
    degraded = audio_dir / "degraded"
    prepare_mini_mos(
        degraded / "data",
        degraded,
        speech_dir,
        Sizes(
            train=sizes.train,
            valid=sizes.valid,
            test=0,
            test_speaker=sizes.test_speaker,
            test_system=sizes.train_codecs,
            systems=sizes.systems,
        ),
        seed=seed,
        nj=nj,
    )
    for name in _CLEAN.values():
        write_clean_set(name, degraded / "data", degraded, speech_dir)
    root, packages = fetch_packages((audio_dir / "engines").resolve())
    with folder_lock(audio_dir):
        made = speak_all(SPOKEN, audio_dir / "tts", root, {"packages": packages})
        request: Dict[str, Any] = {
            "format": FORMAT,
            "seed": seed,
            "sizes": vars(sizes),
            "teacher": teacher_version(),
            "corpus": sha256_file(degraded / "provenance.yaml"),
            "voices": {s: sorted(files) for s, files in made.items()},
        }
        stamp = audio_dir / "tiny_mos.yaml"
        if not is_whole(
            stamp, request, lambda _: [data_dir / s / "wav.scp" for s in _SETS]
        ):
            _write_sets(data_dir, audio_dir, made, sizes, seed, nj)
            speech = speech_dir or degraded / "speech"
            _write_orders(data_dir, audio_dir, speech, made, sizes, seed)
            write_stamp(stamp, request)
    if human:
        found, labels = read_human(human, human_labels or {}, audio_dir / "human")
        _save(found, labels, data_dir / "human")


def _write_sets(
    data_dir: Path,
    audio_dir: Path,
    made: Mapping[str, Mapping[str, str]],
    sizes: TinySizes,
    seed: int,
    nj: int,
) -> None:
    degraded = audio_dir / "degraded/data"
    parts = {name: DataDir.load(degraded / name) for name in _CLEAN}
    clean = {name: DataDir.load(degraded / _CLEAN[name]) for name in _CLEAN}
    originals = {u: w for part in clean.values() for u, w in part.wavs.items()}
    undegraded = _pick(sorted(clean["train"].wavs), sizes.clean, seed, "clean")
    parts["clean"] = clean["train"].subset(undegraded)
    wavs = {u: w for part in parts.values() for u, w in part.wavs.items()}
    trains = {one.system for one in SPOKEN if one.share == "train"}
    for system in trains:
        wavs.update(made[system])
    teacher = teacher_scores(wavs, audio_dir / NAME, nj)
    of_originals = teacher_scores(originals, audio_dir / f"{NAME}_originals", nj)

    pesq = dict.fromkeys(undegraded, PERFECT_PESQ)
    for name in _CLEAN:
        pesq.update(read_floats(degraded / name / "utt2mos"))
    labels = blend(teacher, pesq, {u: of_originals[_original(u)] for u in pesq})
    systems: Dict[str, str] = {}
    speakers: Dict[str, str] = {}
    for part in parts.values():
        systems.update(part.systems or dict.fromkeys(part.wavs, "clean"))
        speakers.update(part.speakers or {})
    train = [*parts["train"].wavs, *parts["test_system"].wavs]
    voices = list(undegraded)
    valid = list(parts["valid"].wavs)
    for system in sorted(trains):
        said = sorted(made[system])
        systems.update(dict.fromkeys(said, system))
        speakers.update(dict.fromkeys(said, system))
        # An eighth validates: the last sentences, which no training clip has.
        cut = len(said) - len(said) // 8
        voices += said[:cut]
        valid += said[cut:]
    everything = DataDir(wavs, labels, systems, speakers)
    train += voices
    _save(everything.subset(_sorted(train)), PREDICTED, data_dir / "train")
    _save(everything.subset(_sorted(valid)), PREDICTED, data_dir / "valid")
    _save(
        everything.subset(_sorted(list(parts["test_speaker"].wavs))),
        PREDICTED,
        data_dir / "test_speaker",
    )
    _save(everything.subset(_sorted(voices)), PREDICTED, data_dir / "voices")
    write_yaml(
        audio_dir / "labels_of_clips.yaml",
        {u: {"teacher": teacher[u], "pesq": pesq.get(u)} for u in _sorted(teacher)},
    )


def _original(utt: str) -> str:
    """Return the ID of the recording that a clip of mini_mos was made of."""
    speaker, _, prompt = utt.split("-")
    return f"{speaker}-clean-{prompt}"


def _write_orders(
    data_dir: Path,
    audio_dir: Path,
    speech: PathLike,
    made: Mapping[str, Mapping[str, str]],
    sizes: TinySizes,
    seed: int,
) -> None:
    prompts, _ = find_speech(speech, long_ones=False)
    others = set((DataDir.load(data_dir / "test_speaker").speakers or {}).values())
    unheard = [p for p in prompts if p.speaker in others]
    names = _pick([p.key for p in unheard], sizes.ladder, seed, "ladder")
    chosen = [p for p in unheard if p.key in set(names)]
    ladder, clean = write_noise_ladder(chosen, audio_dir / "ladder", seed)
    _save(ladder, ORDER, data_dir / "order_noise")
    tests = {one.system: one.voice.kind for one in SPOKEN if one.share == "test"}
    voices = voices_in_order(clean, {s: dict(made[s]) for s in tests}, tests)
    _save(voices, ORDER, data_dir / "order_voices")


def _pick(items: List[str], count: int, seed: int, what: str) -> List[str]:
    """Return `count` of them, or all, drawn by the seed."""
    order = generator(seed, what).permutation(len(items))[:count]
    return [items[i] for i in sorted(order)]


def _sorted(ids) -> List[str]:
    return sorted(ids, key=str.encode)


def _save(data: DataDir, labels: Labels, folder: Path) -> None:
    # Before wav.scp, which says that the set is whole.
    labels.write(folder / LABELS)
    data.save(folder)
    logging.info(f"{folder}: {counted(len(data.wavs), 'clip')}")
