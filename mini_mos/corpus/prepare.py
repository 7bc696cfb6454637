"""Make the mini_mos corpus: audio, labels, data directories and their provenance."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

import numpy as np

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    read_yaml,
    write_yaml,
)
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.debian import LICENCE, debian_speech
from mini_mos.corpus.label import LABEL_NAME, LABEL_NOTE
from mini_mos.corpus.outputs import (
    PROMPTS,
    fingerprint_of,
    versions,
    write_data_dirs,
    write_tables,
)
from mini_mos.corpus.plan import (
    SETS,
    Clip,
    plan_set,
    split_prompts,
    unheard_speakers,
)
from mini_mos.corpus.signal import Unusable
from mini_mos.corpus.speech import Prompt, find_speech, read_clean
from mini_mos.corpus.systems import System, draw_goals, make_system
from mini_mos.corpus.work import (
    chunks,
    make_chunk,
    parallel,
)

HELD_OUT_SHARE = 0.25  # of the systems, for test_system
PILOTS, PILOT_LENGTH = 3, 40000  # clips, samples at most


@dataclass(frozen=True)
class Sizes:
    """Clips in each set (0 leaves a set out), and systems.

    Attributes:
        systems: in all, of which a quarter is for `test_system`.
        held_out_systems: as many for `test_system` in place of that quarter; 0 = the
            quarter. The other sets stay what they are.
    """

    train: int = 1300
    valid: int = 150
    test: int = 300
    test_speaker: int = 240
    test_system: int = 240
    systems: int = 60
    held_out_systems: int = 0

    def sets(self) -> List[str]:
        """Return the sets that are to be made."""
        return [s for s in SETS if getattr(self, s) > 0]

    def check(self) -> None:
        """Raise UserError for sizes that cannot be."""
        negative = [s for s in SETS if getattr(self, s) < 0]
        if negative:
            raise UserError(f"--n_{negative[0]}: must not be negative")
        if self.train == 0:
            raise UserError("--n_train 0: the other sets share its systems; give more")
        if self.systems < 4:
            raise UserError(f"--n_systems {self.systems}: at least 4 are needed")
        if self.held_out_systems < 0:
            raise UserError("--n_held_out_systems: must not be negative")

    def system_names(self) -> Dict[str, bool]:
        """Return system -> whether its families are for `test_system` alone."""
        quarter = max(1, round(self.systems * HELD_OUT_SHARE))
        trained = self.systems - quarter
        count = trained + (self.held_out_systems or quarter)
        return {f"sys{i:03d}": i >= trained for i in range(count)}

    def record(self) -> Dict[str, int]:
        """Return what tells this corpus from one of other sizes."""
        # A corpus that was made before there was this number stays whole.
        return {k: v for k, v in asdict(self).items() if k != "held_out_systems" or v}


def prepare_mini_mos(
    data_dir: PathLike,
    audio_dir: PathLike,
    speech_dir: Optional[PathLike] = None,
    sizes: Optional[Sizes] = None,
    seed: int = 0,
    nj: int = 2,
) -> None:
    """Make the corpus; what an earlier run with the same options made is kept.

    Writes::

        <data_dir>/<set>/         wav.scp utt2mos utt2sys utt2spk spk2utt utt2prompt
        <audio_dir>/speech/       clean prompts (without `speech_dir`), packages.yaml
        <audio_dir>/wav/<set>/    <speaker>-<system>-<prompt>.wav, 16 kHz mono 16 bit
        <audio_dir>/labels/       labels in chunks, so that a killed run goes on
        <audio_dir>/systems.yaml  system -> families, parameters, severity, pilot MOS
        <audio_dir>/clips.tsv     utterance, set, system, speaker, prompt, label
        <audio_dir>/skipped.txt   recordings and clips left out, and why
        <audio_dir>/labels.png    histogram of the labels of each set
        <audio_dir>/provenance.yaml  written last: all is whole

    Labels are MOS-LQO of wideband PESQ (ITU-T P.862.2) against the clean clip, about
    1.02 to 4.64: objective, not opinions. Sets share no prompt; `valid` and `test`
    have the speakers and systems of `train`; `test_speaker` its systems, but other
    speakers; `test_system` its speakers, but families of degradations that no other
    set has. Seeds are hashes of names: `nj` changes nothing.

    Args:
        data_dir: parent of the data directories.
        audio_dir: everything else.
        speech_dir: clean speech; None for the Asterisk prompts of Debian.
        sizes: number of clips and systems.
        seed: another seed, another corpus.
        nj: processes.

    Raises:
        UserError: no speech to be had, too little speech for `sizes`, wrong sizes, or
            another run at work in `audio_dir`.
    """
    data_dir, audio_dir = Path(data_dir), Path(audio_dir)
    sizes = sizes or Sizes()
    sizes.check()
    with folder_lock(audio_dir):
        _prepare(data_dir, audio_dir, speech_dir, sizes, seed, nj)


def _prepare(
    data_dir: Path,
    audio_dir: Path,
    speech_dir: Optional[PathLike],
    sizes: Sizes,
    seed: int,
    nj: int,
) -> None:
    packages = {}
    if speech_dir is None:
        packages = debian_speech(audio_dir / "speech")
        # Only short prompts: there are enough of them, and they train faster.
        prompts, skipped = find_speech(audio_dir / "speech", long_ones=False)
    else:
        prompts, skipped = find_speech(speech_dir)
    options = {"seed": seed, "sizes": sizes.record()}
    fingerprint = fingerprint_of(options, prompts)
    if _is_whole(audio_dir, data_dir, fingerprint, sizes.sets()):
        logging.info(f"{data_dir}: already made with these options")
        return
    _start(audio_dir, data_dir, fingerprint)

    clips, held_out = _plan(prompts, sizes, seed, debian=speech_dir is None)
    systems = _systems(audio_dir, clips, held_out, seed, nj)
    jobs = [chunk for s in sizes.sets() for chunk in chunks(clips[s])]
    fixed = {"systems": systems, "audio_dir": audio_dir, "seed": seed}
    parts = parallel(make_chunk, jobs, nj, "Clips and labels", **fixed)
    results = {r.utt: r for part in parts for r in part}

    failed = [(r.utt, r.reason) for r in results.values() if r.mos is None]
    labels = write_data_dirs(data_dir, audio_dir, clips, results)
    write_tables(audio_dir, clips, results, skipped, failed)
    # Here, since matplotlib takes a second that a worker should not pay.
    from espnet2_distilmos.report.plots import plot_label_histogram

    plot_label_histogram(audio_dir / "labels.png", labels, LABEL_NAME)
    provenance = {
        "labels": LABEL_NOTE,
        "speech": LICENCE if speech_dir is None else str(speech_dir),
        "packages": packages,
        **options,
        "made_by": versions(),
        "clips": {s: len(v) for s, v in labels.items()},
        "recordings_used": len(prompts),
        "recordings_skipped": len(skipped),
        "clips_without_label": [list(f) for f in failed],
        "fingerprint": fingerprint,
    }
    write_yaml(audio_dir / "provenance.yaml", provenance)
    logging.info(
        f"{counted(sum(map(len, labels.values())), 'clip')} in {data_dir}; "
        f"{len(failed)} without label and {counted(len(skipped), 'recording')} left "
        f"out: {audio_dir / 'skipped.txt'}"
    )


def _is_whole(
    audio_dir: Path, data_dir: Path, fingerprint: str, sets: Sequence[str]
) -> bool:
    """Tell whether a run with this fingerprint has ended, with all its files."""
    done = audio_dir / "provenance.yaml"
    if not done.exists() or read_yaml(done).get("fingerprint") != fingerprint:
        return False
    if not all((data_dir / s / f).exists() for s in sets for f in ("wav.scp", PROMPTS)):
        return False
    wavs = [Path(w) for s in sets for w in DataDir.load(data_dir / s).wavs.values()]
    return all(w.is_relative_to(audio_dir) and w.exists() for w in wavs)


def _start(audio_dir: Path, data_dir: Path, fingerprint: str) -> None:
    """Remove what other options have made; note what is being made now."""
    state = audio_dir / "started.yaml"
    if state.exists() and read_yaml(state).get("fingerprint") == fingerprint:
        return
    for s in SETS:
        (data_dir / s / "wav.scp").unlink(missing_ok=True)
    if state.exists():
        logging.warning(f"{audio_dir}: options or speech have changed; making all anew")
        for name in ("provenance.yaml", "systems.yaml"):
            (audio_dir / name).unlink(missing_ok=True)
        for name in ("labels", "wav"):
            shutil.rmtree(audio_dir / name, ignore_errors=True)
    write_yaml(state, {"fingerprint": fingerprint})


def _plan(
    prompts: Sequence[Prompt], sizes: Sizes, seed: int, debian: bool
) -> Tuple[Dict[str, List[Clip]], Dict[str, bool]]:
    """Return the clips of each set, and system -> whether its families are held out."""
    sets = sizes.sets()
    speakers = sorted({p.speaker for p in prompts})
    unheard: Set[str] = set()
    if "test_speaker" in sets:
        unheard = unheard_speakers(speakers, debian, seed)
    pools = split_prompts(prompts, unheard, sets, seed)
    held_out = sizes.system_names()
    clips = {}
    for s in sets:
        own = [n for n, held in held_out.items() if held == (s == "test_system")]
        clips[s] = plan_set(s, pools[s], own, getattr(sizes, s), seed)
        logging.info(
            f"{s}: {counted(len(clips[s]), 'clip')}, {counted(len(own), 'system')}, "
            f"{counted(len(pools[s]), 'prompt')}, speakers "
            f"{' '.join(sorted({p.speaker for p in pools[s]}))}"
        )
    return clips, held_out


def _pilots(clips: Sequence[Clip]) -> List[np.ndarray]:
    """Return a few clean training clips (T,) near 2 s, of many speakers."""
    found: Dict[str, List[np.ndarray]] = {}
    for clip in clips[:60]:  # these are shuffled; more would only take longer
        try:
            x = read_clean(clip.prompt.path)
        except Unusable:
            continue  # it will be listed when its own turn comes
        found.setdefault(clip.prompt.speaker, []).append(x[:PILOT_LENGTH])
    ranked = [
        (rank, speaker, x)
        for speaker, own in found.items()
        for rank, x in enumerate(sorted(own, key=lambda x: abs(len(x) - 32000)))
    ]
    ranked.sort(key=lambda r: r[:2])
    if not ranked:
        path = clips[0].prompt.path
        raise UserError(f"no training clip can be read, e.g. {path}; mend --speech_dir")
    return [x for _, _, x in ranked[:PILOTS]]


def _system(item: Tuple[str, str, float], pilots: Sequence, seed: int) -> System:
    return make_system(*item, pilots, seed)


def _systems(
    audio_dir: Path,
    clips: Mapping[str, Sequence[Clip]],
    held_out: Mapping[str, bool],
    seed: int,
    nj: int,
) -> Dict[str, System]:
    """Read systems.yaml, or calibrate the systems and write it."""
    path = audio_dir / "systems.yaml"
    if path.exists():
        return {n: System.from_dict(d) for n, d in read_yaml(path).items()}
    items = []
    for held in (False, True):
        names = [n for n, h in held_out.items() if h == held]
        items += draw_goals(names, held, seed)
    fixed = {"pilots": _pilots(clips["train"]), "seed": seed}
    made = list(parallel(_system, items, nj, "Systems", **fixed))
    write_yaml(path, {s.name: s.to_dict() for s in made})
    return {s.name: s for s in made}
