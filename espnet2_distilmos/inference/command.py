"""`distilmos score`: clips in, a table and a summary out."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.inference.inputs import (
    collect_clips,
    named_twice,
    require_distinct_outputs,
)
from espnet2_distilmos.inference.listening_page import ListeningPage
from espnet2_distilmos.inference.report import (
    frames_path,
    require_format,
    summary,
    table,
    write_frames,
)
from espnet2_distilmos.packs.locate import model_files, model_name
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    STDOUT,
    PathLike,
    require_folder,
    require_output,
    write_text,
)
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.terminal import counted, one_line, show


def score_paths(
    paths: Sequence[PathLike],
    model: Optional[str] = None,
    output: Optional[PathLike] = None,
    form: str = "csv",
    frame_mos: Optional[PathLike] = None,
    plot: Optional[PathLike] = None,
    report: Optional[PathLike] = None,
    embed_audio: Optional[float] = None,
    device: str = "auto",
    batch_seconds: Optional[float] = None,
    num_workers: int = 2,
    corpus: Optional[str] = None,
    interval: Optional[float] = None,
    crops: Optional[int] = None,
    crop_seconds: Optional[float] = None,
) -> None:
    """Score clips; the table goes to `output` or to stdout, the summary to the other.

    Args:
        paths: files, folders and `wav.scp` lists.
        model: see :meth:`DistilMOSInference.from_pretrained`.
        output: table to write; None or `-` = stdout (then the summary goes to stderr).
        form: `csv`, `jsonl` or `kaldi`.
        frame_mos: folder for frame scores, one CSV a clip.
        plot: folder for pictures, one a clip.
        report: page to look at and listen to (HTML).
        embed_audio: megabytes of audio that go into the page; None = all is linked.
        device: `auto`, `cpu` or `cuda`.
        batch_seconds: seconds of audio a batch.
        num_workers: threads that read audio.
        corpus: see :class:`espnet2_distilmos.inference.engine.DistilMOSInference`.
        interval: likewise.
        crops: likewise.
        crop_seconds: likewise.

    Raises:
        UserError: bad input; or, at the end, some clips could not be scored.
    """
    output = None if output == STDOUT else output
    clips = collect_clips(paths)
    twice = named_twice(paths)
    for note in twice:
        logging.warning(note)
    require_format(form, clips, interval is not None)
    read = [*paths, *(clip.path for clip in clips), *model_files(model)]
    if output is not None:
        require_output(output, *read)
    page = None
    if report is not None:
        require_output(report, *read, outputs=[output])
        page = ListeningPage(report, embed_audio, twice)
    for folder in (frame_mos, plot):
        if folder is not None:
            require_folder(folder)
            require_distinct_outputs(clips)
    if plot is not None:
        import matplotlib  # noqa: F401  # if it is missing, it is told now
    # After the cheap checks: torch takes seconds.
    from espnet2_distilmos.inference.engine import DistilMOSInference

    engine = DistilMOSInference.from_pretrained(
        model,
        device=device,
        batch_seconds=batch_seconds,
        corpus=corpus,
        interval=interval,
        crops=crops,
        crop_seconds=crop_seconds,
    )
    results: List[Dict[str, Any]] = []
    scored = engine.score_files([clip.path for clip in clips], num_workers)
    started = time.monotonic()
    # The results first, so that they are asked to their end, which ends the progress.
    for result, clip in zip(progress(scored, "scoring, files", len(clips)), clips):
        frames = result.pop("frame_mos", None)
        if frames is not None and frame_mos is not None:
            path = frames_path(frame_mos, clip, ".csv")
            write_frames(path, frames, engine.frame_shift)
        if frames is not None and plot is not None:
            from espnet2_distilmos.inference.clip_plot import plot_clip

            path = frames_path(plot, clip, ".png")
            plot_clip(
                path, clip, frames, engine.frame_shift, result["mos"], engine.labels
            )
        if page is not None:
            page.add(clip, result, frames)
        results.append(result)
    seconds = sum(result.get("seconds", 0.0) for result in results)
    logging.info(
        f"{counted(len(results), 'file')}, {seconds:.1f} s of audio, scored in "
        f"{time.monotonic() - started:.1f} s"
    )
    name = model_name(model)
    if name == model and Path(name).is_dir():
        name = engine.model_file  # which of those in it
    shown = (clips, results, name, engine.labels)
    if output is None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        show(table(form, *shown, True, encoding), end="")
    else:
        write_text(output, table(form, *shown))
    if page is not None:
        page.write(name, engine.labels)
    told = summary(*shown)
    if crops is not None:
        told += f"of longer clips, the mean of {engine.windows.told}\n"
    if engine.calibration:
        told += f"model {one_line(engine.calibration)}\n"
    if interval is not None and engine.backend.interval is not None:
        told += one_line(engine.backend.interval.sentence(interval)) + "\n"
    written = [str(path) for path in (output, report, frame_mos, plot) if path]
    if written:
        told += f"written: {one_line(', '.join(written))}\n"
    show(told, sys.stderr if output is None else sys.stdout, "")
    failed = sum(result["mos"] is None for result in results)
    if failed:
        raise UserError(
            f"{failed} of {counted(len(results), 'file')} could not be scored"
        )
