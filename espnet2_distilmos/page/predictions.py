"""The page of a set that stage 6 has scored: from its files, without the model."""

import logging
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.pictures import picture_of, wave_of
from espnet2_distilmos.page.write import assets_sha256, write_page
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_lines,
    read_wav_scp,
    read_words,
    require_same_ids,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted

PAGE = "report.html"
_STAMP = "report.yaml"


def write_set_page(
    folder: PathLike,
    data_dir: PathLike,
    title: str,
    model: str,
    predicted: Labels,
    one_scale: bool = True,
    embed_audio: Optional[float] = None,
) -> None:
    """Write `<folder>/report.html`, unless it is current.

    Args:
        folder: of the predictions: `utt2mos` and, where there are frame scores,
            `frame_mos.scp`.
        data_dir: the set: `wav.scp` and, where it has them, `utt2mos` and `utt2sys`.
        title: heading.
        model: what the model is called.
        predicted: what it was trained to predict.
        one_scale: whether that is on the scale of the set's labels.
        embed_audio: megabytes of audio that go into the page; None = all is linked.

    Raises:
        UserError: a file that cannot be read, or other utterances in one of them.
    """
    folder, data_dir = Path(folder), Path(data_dir)
    inputs = {
        "hyp_utt2mos": folder / "utt2mos",
        "wav_scp": data_dir / "wav.scp",
        "frame_mos_scp": folder / "frame_mos.scp",
        "ref_utt2mos": data_dir / "utt2mos",
        "utt2sys": data_dir / "utt2sys",
    }
    for name in ("frame_mos_scp", "ref_utt2mos", "utt2sys"):  # these may be absent
        if not inputs[name].exists():
            del inputs[name]
    request = {
        **{name: sha256_file(path) for name, path in inputs.items()},
        **{"title": title, "model": model, "labels": predicted.as_list()},
        **{"one_scale": one_scale, "page": assets_sha256()},
        **({} if embed_audio is None else {"embed_audio": embed_audio}),
    }
    page = folder / PAGE
    if is_whole(folder / _STAMP, request, lambda _: [page]):
        return
    read: Dict[str, Any] = {
        "hyp_utt2mos": read_floats,
        "wav_scp": lambda path: read_wav_scp(path, strict=False),
        "frame_mos_scp": lambda path: read_lines(path, str),
        "ref_utt2mos": read_floats,
        "utt2sys": read_words,
    }
    found = {name: read[name](path) for name, path in inputs.items()}
    require_same_ids({str(inputs[name]): content for name, content in found.items()})
    wavs, frames = found["wav_scp"], found.get("frame_mos_scp")
    labels, systems = found.get("ref_utt2mos"), found.get("utt2sys")
    clips: List[PageClip] = []
    for utt, mos in progress(list(found["hyp_utt2mos"].items()), "page, clips"):
        frame_mos = None if frames is None else _frame_scores(frames[utt], utt)
        picture, seconds, warnings = picture_of_file(wavs[utt], frame_mos)
        numbers = {} if labels is None else {"label": labels[utt]}
        if labels is not None and one_scale:
            numbers["minus label"] = mos - labels[utt]
        clips.append(
            PageClip(
                name=utt,
                group=title if systems is None else systems[utt],
                path=wavs[utt],
                mos=mos,
                seconds=seconds,
                warnings=warnings,
                numbers=numbers,
                picture=picture,
            )
        )
    grouped_by = "folder" if systems is None else "system"
    write_page(page, Page(title, model, predicted, clips, grouped_by), embed_audio)
    write_stamp(folder / _STAMP, request)
    logging.info(f"{page}: {counted(len(clips), 'clip')} to look at and listen to")


def picture_of_file(
    path: str, frame_mos: Optional[np.ndarray] = None
) -> Tuple[Dict[str, Any], Optional[float], List[str]]:
    """Return what is drawn of a clip whose frames are spread over all of its file.

    Args:
        path: the audio file.
        frame_mos: (T,) frame scores, or None.

    Returns:
        The picture, the length in seconds (None: the file cannot be read), and what is
        odd about it, or why it cannot be read, as warnings.
    """
    try:
        wave = wave_of(path)
    except UserError as e:  # the scores are there, whatever became of the audio
        return {}, None, [str(e)]
    shift = 0.0 if frame_mos is None else wave.seconds / max(len(frame_mos), 1)
    return picture_of(wave, frame_mos, shift), wave.seconds, wave.warnings


def _frame_scores(place: str, utt: str) -> np.ndarray:
    import kaldiio  # here: only who has frame scores needs it

    try:
        return np.asarray(kaldiio.load_mat(place), np.float64).reshape(-1)
    except (OSError, ValueError, AssertionError) as e:
        raise UserError(
            f"{utt}: no frame scores at {place} ({e}); predict the set again"
        ) from e
