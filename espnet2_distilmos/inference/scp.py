"""Scoring the clips of a `wav.scp` into a folder."""

import logging
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.outputs import SCALES, further_scores, write_further
from espnet2_distilmos.utils.arks import write_ark
from espnet2_distilmos.utils.datadir import read_wav_scp, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    require_folder,
)
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import write_stamp
from espnet2_distilmos.utils.terminal import counted


def _read_keys(path: PathLike) -> List[str]:
    """Return the first word of each line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text (byte {e.start})") from e
    if not lines:
        raise UserError(f"{path}: is empty; one ID a line was expected")
    for number, line in enumerate(lines, 1):
        if not line.split():
            raise UserError(f"{path}:{number}: empty; an ID was expected")
    return [line.split()[0] for line in lines]


def scored(
    model: DistilMOSInference, wavs: Mapping[str, str]
) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Yield ID and result of each clip, in order; log warnings.

    Args:
        model: the engine.
        wavs: ID -> audio file.

    Raises:
        UserError: a clip cannot be scored; names it.
    """
    for result, utt in zip(model.score_files(wavs.values()), wavs):
        if result["mos"] is None:
            raise UserError(f"{utt}: {result['error']}")
        for text in result["warnings"]:
            logging.warning(f"{utt}: {text}")
        yield utt, result


def score_scp(
    model: DistilMOSInference,
    wav_scp: PathLike,
    output_dir: PathLike,
    request: Dict[str, Any],
    key_file: Optional[PathLike] = None,
) -> None:
    """Write `utt2mos`, `frame_mos.ark`, `frame_mos.scp` and, last, `inference.yaml`.

    With further scales, `utt2scores` too.

    Args:
        model: the engine.
        wav_scp: IDs and audio files, any sampling rate.
        output_dir: folder to write.
        request: what the output depends on, for the stamp.
        key_file: score only the IDs that begin its lines.

    Raises:
        UserError: an unreadable file, or a key that `wav_scp` lacks; names it.
    """
    output_dir = Path(output_dir)
    # Its utt2mos would be taken for, or take the place of, labels.
    require_folder(output_dir, Path(wav_scp).parent)
    wavs = read_wav_scp(wav_scp, strict=False)
    if key_file is not None:
        keys = _read_keys(key_file)
        missing = [key for key in keys if key not in wavs]
        if missing:
            raise UserError(
                f"{key_file}: {missing[0]} is not in {wav_scp}; make it of this list"
            )
        wavs = {key: wavs[key] for key in keys}
    ark = output_dir / "frame_mos.ark"
    scores: Dict[str, float] = {}
    further: Dict[str, Dict[str, float]] = {}

    def frames() -> Iterator[Tuple[str, np.ndarray]]:
        results = scored(model, wavs)
        for utt, result in progress(results, "scoring, clips", len(wavs)):
            scores[utt], further[utt] = result["mos"], further_scores(result)
            yield utt, result["frame_mos"]

    with folder_lock(output_dir):
        offsets = write_ark(ark, frames())
        places = {utt: f"{ark}:{offset}" for utt, offset in offsets.items()}
        write_lines(output_dir / "frame_mos.scp", places)
        write_further(output_dir, further)
        write_lines(output_dir / "utt2mos", scores)
        more = {SCALES: True} if model.scales else {}
        write_stamp(output_dir / "inference.yaml", request, **more)
    logging.info(f"{output_dir}: {counted(len(scores), 'clip')} scored")
