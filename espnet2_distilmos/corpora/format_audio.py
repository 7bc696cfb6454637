"""Stage 1, second half: audio as 16 kHz mono, clips of bad length left out."""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import soundfile
import soxr
from tqdm import tqdm

from espnet2_distilmos.corpora.checks import SCALE
from espnet2_distilmos.corpora.level import Levelling
from espnet2_distilmos.utils.audio import SAMPLE_RATE, open_audio, read_audio
from espnet2_distilmos.utils.datadir import (
    DATA_FILES,
    DataDir,
    read_wav_scp,
    write_lines,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    file_name,
    no_room,
    require_folder,
    sha256_file,
    write_text,
)
from espnet2_distilmos.utils.stamp import (
    FORMAT_STAMP,
    fingerprint,
    is_whole,
    write_stamp,
)
from espnet2_distilmos.utils.terminal import one_line

# Beyond are no levels, but mistakes; 10 ** (x / 20) would overflow in the end.
MOST_DB = 200.0


def format_audio(
    data_dir: PathLike,
    output_dir: PathLike,
    min_seconds: float | None = None,
    max_seconds: float | None = None,
    audio_root: PathLike = "",
    level_db: float | None = None,
) -> None:
    """Write a data directory whose audio is 16 kHz mono.

    Files that are so already are used where they lie; the others are resampled
    and averaged over channels into `<output_dir>/audio/` (16-bit FLAC). Also
    written: `utt2num_samples`, `utt2sys_id` (systems as numbers, for ESPnet's
    data loader) with its key `sys2id`, and `dropped.txt`: every clip left out and why.

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
    # Hidden, since times differ from copy to copy of one corpus.
    state, stamp = output_dir / ".audio", output_dir / FORMAT_STAMP
    # Taken before the audio is read: what changes meanwhile is noticed the next time.
    found = fingerprint(sources)
    if state.exists() and state.read_text() != found:
        logging.info(f"{output_dir}: audio files have changed, making it again")
        stamp.unlink(missing_ok=True)
    if is_whole(stamp, request, lambda _: _outputs(output_dir, data)):
        return
    _tell_odd_labels(data_dir, data)
    dropped: dict[str, str] = {}
    n_samples: dict[str, int] = {}
    levelling = Levelling(level_db)
    digest = hashlib.sha256()
    for utt, path in tqdm(
        sources.items(), desc=one_line(str(output_dir)), disable=None
    ):
        data.wavs[utt], n_samples[utt] = _format_clip(
            utt, path, output_dir / "audio", levelling, digest
        )
        seconds = n_samples[utt] / SAMPLE_RATE
        if min_seconds is not None and seconds < min_seconds:
            dropped[utt] = f"{seconds:.3f} s is shorter than {min_seconds} s"
        elif max_seconds is not None and seconds > max_seconds:
            dropped[utt] = f"{seconds:.3f} s is longer than {max_seconds} s"
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
    write_lines(output_dir / "utt2num_samples", {u: n_samples[u] for u in kept})
    if data.systems is not None:
        names = sorted(set(data.systems.values()), key=str.encode)
        ids = {name: number for number, name in enumerate(names)}
        write_lines(output_dir / "sys2id", ids)
        write_lines(
            output_dir / "utt2sys_id", {u: ids[s] for u, s in data.systems.items()}
        )
    else:  # left by an earlier version of the set
        for name in ("sys2id", "utt2sys_id"):
            (output_dir / name).unlink(missing_ok=True)
    if data.ratings is None:  # left by an earlier version of the set
        (output_dir / "utt2ratings").unlink(missing_ok=True)
    data.save(output_dir)
    write_text(state, found)
    write_stamp(stamp, request, audio_sha256=digest.hexdigest())
    hours = sum(n_samples[u] for u in kept) / SAMPLE_RATE / 3600
    logging.info(
        f"{output_dir}: {len(kept)} clips, {hours:.2f} h; {len(dropped)} dropped"
        + (f" (listed in {output_dir / 'dropped.txt'})" if dropped else "")
    )


def _outputs(output_dir: Path, data: DataDir) -> Iterator[Path]:
    """What this stage writes; of the audio, all that is in `output_dir`."""
    yield output_dir / "utt2num_samples"
    yield output_dir / "wav.scp"
    for name, values in (("utt2mos", data.mos), ("utt2sys", data.systems)):
        if values is not None:
            yield output_dir / name
    for path in read_wav_scp(output_dir / "wav.scp").values():
        if Path(path).parent == output_dir / "audio":
            yield Path(path)


def _tell_odd_labels(data_dir: Path, data: DataDir) -> None:
    """Warn of labels off the usual scale; they are kept: theirs may be another."""
    low, high = SCALE
    odd = {u: m for u, m in (data.mos or {}).items() if not low <= m <= high}
    if odd:
        utt, mos = next(iter(odd.items()))
        logging.warning(
            f"{data_dir / 'utt2mos'}: {len(odd)} of {len(data.mos)} labels are outside "
            f"{low:g} to {high:g}, e.g. {utt} {mos:g}; right only on another scale"
        )


def _format_clip(utt: str, path: str, folder: Path, levelling: Levelling, digest):
    """Return the path of a 16 kHz mono version, and its number of samples.

    `digest` takes in what was read.
    """
    try:
        with open_audio(path) as f:
            channels = f.channels
        # Also of those that stay as they are: later stages must not meet a bad one.
        samples, rate = read_audio(path)
    except UserError as e:
        raise UserError(f"{utt}: {e}") from e
    digest.update(f"{utt} {rate} {len(samples)}\n".encode())
    digest.update(samples.tobytes())
    if levelling.level_db is None and rate == SAMPLE_RATE and channels == 1:
        return path, len(samples)
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
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
