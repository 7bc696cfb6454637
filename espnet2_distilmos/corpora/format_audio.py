"""Stage 1, second half: audio as 16 kHz mono, clips of bad length left out."""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Dict, Optional

import soundfile
import soxr

from espnet2_distilmos.corpora.formatted import (
    SAMPLES,
    number_systems,
    why_not_trained,
    write_formatted,
)
from espnet2_distilmos.corpora.level import Levelling
from espnet2_distilmos.utils.audio import SAMPLE_RATE, read_audio, read_recording
from espnet2_distilmos.utils.datadir import (
    DATA_FILES,
    DataDir,
    read_wav_scp,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    file_name,
    no_room,
    read_yaml,
    require_folder,
    sha256_file,
    write_text,
)
from espnet2_distilmos.utils.label_info import scale_words
from espnet2_distilmos.utils.labels import LABELS, Labels
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import (
    FORMAT_STAMP,
    is_whole,
    matches,
    quick_look,
    write_stamp,
)
from espnet2_distilmos.utils.terminal import counted

# Beyond are no levels, but mistakes; 10 ** (x / 20) would overflow in the end.
MOST_DB = 200.0


def format_audio(
    data_dir: PathLike,
    output_dir: PathLike,
    min_seconds: Optional[float] = None,
    max_seconds: Optional[float] = None,
    audio_root: PathLike = "",
    level_db: Optional[float] = None,
) -> None:
    """Write a data directory whose audio is 16 kHz mono.

    Files that are so already are used where they lie; the others are resampled
    and averaged over channels into `<output_dir>/audio/` (16-bit FLAC). Also
    written: `utt2num_samples`, `utt2sys_id` (systems as numbers, for ESPnet's
    data loader) with its key `sys2id`, `dropped.txt`: every clip left out and why, and
    `odd_audio.txt`: every clip that is kept, and of which the scorer would warn.
    `labels.yaml` of the set, what its labels are, goes along.

    Args:
        data_dir: folder with `wav.scp` and, as the set has them, `utt2mos`...
        output_dir: folder to write.
        min_seconds: shorter clips are dropped; None = none.
        max_seconds: longer clips are dropped; None = none.
        audio_root: folder that relative paths are relative to, e.g. the recipe folder
            that another corpus was prepared in; "" = the current one.
        level_db: see :func:`~espnet2_distilmos.corpora.level.level_gain`;
            `utt2gain_db` tells what was done to each clip. None = nothing.

    Raises:
        UserError: an unreadable file, nothing left, no such level, or an output that
            would replace `data_dir`.
    """
    data_dir, output_dir = Path(data_dir), Path(output_dir)
    require_folder(output_dir, data_dir)
    if level_db is not None and not abs(level_db) <= MOST_DB:
        raise UserError(
            f"--level_db {level_db:g}: no level in dB re full scale; common are -26 "
            "to -20"
        )
    request = {
        "files": {
            name: sha256_file(data_dir / name)
            for name in DATA_FILES
            if (data_dir / name).exists()
        },
        "min_seconds": min_seconds,
        "max_seconds": max_seconds,
    }
    if audio_root or level_db is not None:
        request |= {"audio_root": str(audio_root), "level_db": level_db}
    data = DataDir.load(data_dir)
    sources = {u: os.path.join(audio_root, path) for u, path in data.wavs.items()}
    # Hidden, since times differ from copy to copy of one corpus: a first look only.
    state, stamp = output_dir / ".audio", output_dir / FORMAT_STAMP
    # Taken before the audio is read: what changes meanwhile is noticed the next time.
    found = quick_look(sources)
    if matches(stamp, request) and not (state.exists() and state.read_text() == found):
        if read_yaml(stamp).get("audio_sha256") == _content(sources):
            write_text(state, found)
        else:
            logging.info(f"{output_dir}: audio files have changed, making it again")
            stamp.unlink(missing_ok=True)
    # No part of the request: words about the labels change no sample.
    labels = Labels.beside(data_dir)
    labels.carry(output_dir)
    if is_whole(stamp, request, lambda _: _outputs(output_dir, data)):
        return
    _tell_odd_labels(data_dir, data, labels)
    dropped: Dict[str, str] = {}
    n_samples: Dict[str, int] = {}
    levelling = Levelling(level_db)
    digest = hashlib.sha256()
    odd: Dict[str, str] = {}
    for utt, path in progress(sources.items(), f"{output_dir}, clips"):
        data.wavs[utt], n_samples[utt] = _format_clip(
            utt, path, output_dir / "audio", levelling, digest, odd
        )
        if why := why_not_trained(n_samples[utt], min_seconds, max_seconds):
            dropped[utt] = why
    kept = [utt for utt in data.wavs if utt not in dropped]
    if not kept:
        raise UserError(
            f"{data_dir}: no clip is left; all {len(dropped)} are shorter than "
            f"{min_seconds} s or longer than {max_seconds} s"
        )
    data = data.subset(kept)
    levelling.report(output_dir, kept)
    write_text(
        output_dir / "dropped.txt", "".join(f"{u} {w}\n" for u, w in dropped.items())
    )
    _tell_odd_audio(output_dir, {u: text for u, text in odd.items() if u in data.wavs})
    write_formatted(output_dir, data, n_samples, number_systems(data))
    write_text(state, found)
    write_stamp(
        stamp,
        request,
        audio_sha256=digest.hexdigest(),
        wav_scp_sha256=sha256_file(output_dir / "wav.scp"),
    )
    hours = sum(n_samples[u] for u in kept) / SAMPLE_RATE / 3600
    logging.info(
        f"{output_dir}: {counted(len(kept), 'clip')}, {hours:.2f} h; {len(dropped)} "
        "dropped" + (f" (listed in {output_dir / 'dropped.txt'})" if dropped else "")
    )


def _content(sources: Dict[str, str]) -> Optional[str]:
    """Return the digest of all samples in the stamp; None if some cannot be read."""
    digest = hashlib.sha256()
    try:
        for utt, path in progress(sources.items(), "Comparing audio"):
            _take_in(digest, utt, *read_audio(path))
    except UserError:  # named when it is made again
        return None
    return digest.hexdigest()


def _take_in(digest, utt: str, samples, rate: int) -> None:
    digest.update(f"{utt} {rate} {len(samples)}\n".encode())
    digest.update(samples.tobytes())


def _outputs(output_dir: Path, data: DataDir) -> Iterator[Path]:
    """Yield what this stage writes; of the audio, all that is in `output_dir`."""
    yield output_dir / SAMPLES
    yield output_dir / "wav.scp"
    for name, values in (("utt2mos", data.mos), ("utt2sys", data.systems)):
        if values is not None:
            yield output_dir / name
    for path in read_wav_scp(output_dir / "wav.scp").values():
        if Path(path).parent == output_dir / "audio":
            yield Path(path)


def _tell_odd_labels(data_dir: Path, data: DataDir, labels: Labels) -> None:
    """Warn of labels off their scale; they are kept: theirs may be another."""
    found = {"": (data.mos or {}, labels)}
    for name in dict.fromkeys(s for x in (data.scores or {}).values() for s in x):
        values = {u: x[name] for u, x in (data.scores or {}).items() if name in x}
        found[f"{name} "] = values, labels.of_scale(name)
    for name, (values, of_scale) in found.items():
        low, high = of_scale.scale
        odd = {u: m for u, m in values.items() if not low <= m <= high}
        if odd:
            utt, mos = next(iter(odd.items()))
            logging.warning(
                f"{data_dir / ('utt2scores' if name else 'utt2mos')}: {len(odd)} of "
                f"{len(values)} {name}labels are outside "
                f"{scale_words(of_scale.scale)}, e.g. {utt} {mos:g}; right only on "
                f"another scale, to be named in {data_dir / LABELS}"
            )


def _tell_odd_audio(output_dir: Path, odd: Dict[str, str]) -> None:
    """List what the scorer would warn of, and say how much of it there is."""
    lines = [f"{utt} {text}\n" for utt, text in odd.items()]
    write_text(output_dir / "odd_audio.txt", "".join(lines))
    if odd:
        utt, text = next(iter(odd.items()))
        logging.warning(
            f"{output_dir}: {counted(len(odd), 'odd clip', 'is')} kept, e.g. {utt}: "
            f"{text} (all are listed in {output_dir / 'odd_audio.txt'})"
        )


def _format_clip(
    utt: str, path: str, folder: Path, levelling: Levelling, digest, odd: Dict[str, str]
):
    """Return the path of a 16 kHz mono version, and its number of samples.

    `digest` takes in what was read, `odd` what the scorer would warn of.
    """
    try:
        # Also of those that stay as they are: later stages must not meet a bad one.
        recording = read_recording(path)
        samples, rate = recording.samples, recording.rate
    except UserError as e:
        raise UserError(f"{utt}: {e}") from e
    _take_in(digest, utt, samples, rate)
    checks = recording.checks
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE)
        checks.look_at_scored(samples)
    if texts := checks.warnings():
        odd[utt] = "; ".join(texts)
    # ESPnet reads it itself, with libsndfile alone.
    as_it_is = rate == SAMPLE_RATE and recording.channels == 1 and recording.plain
    if levelling.level_db is None and as_it_is:
        return path, len(samples)
    if levelling.level_db is not None:
        samples = levelling(utt, samples)
    target = folder / f"{file_name(utt)}.flac"
    with atomic_path(target) as tmp:
        try:
            soundfile.write(tmp, samples, SAMPLE_RATE, subtype="PCM_16")
        except (soundfile.SoundFileError, AssertionError) as e:
            # It asserts that all samples were taken.
            raise no_room(target, str(e) or "not all samples were taken") from e
        # libsndfile says nothing where its last block does not fit on the disk.
        if soundfile.info(tmp).frames != len(samples):
            raise no_room(target, "the file came out shorter than the clip")
    return str(target), len(samples)
