"""Scores of many clips as a table, and in a few lines."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from espnet2_distilmos.inference.inputs import Clip
from espnet2_distilmos.scoring.student import student_interval
from espnet2_distilmos.utils.audio import SAMPLE_RATE, is_silent
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.terminal import counted, json_line, one_line
from espnet2_distilmos.utils.values import FIRST_SCALE

_MOST_FOLDERS = 50

Results = Sequence[Dict[str, Any]]


def require_format(form: str, clips: Sequence[Clip], intervals: bool = False) -> None:
    """Refuse what Kaldi's format cannot hold, before anything is scored.

    Args:
        form: of the table.
        clips: of which the names go into it.
        intervals: whether each score has an interval.

    Raises:
        UserError: intervals, a name with blanks, or one that two clips have.
    """
    if form != "kaldi":
        return
    if intervals:
        raise UserError(
            "the format kaldi has no place for intervals; use --format csv or jsonl"
        )
    names = Counter(clip.name for clip in clips)
    for name, n in names.items():
        if len(name.split()) != 1:
            raise UserError(f"{name!r}: a Kaldi ID has no spaces; use --format csv")
        if n > 1:
            raise UserError(f"{name}: {n} clips have this ID; use --format csv")


def table(
    form: str,
    clips: Sequence[Clip],
    results: Results,
    model: str,
    labels: Labels,
    shown: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return the scores as text.

    `csv`: file, mos, seconds, warnings, error (and id, for a `wav.scp`; and, behind
    mos, mos_low and mos_high, where results have them, and a column for each further
    scale of the model). `jsonl`: the same and more, one object a line: `model`, and
    `labels`, what the model was trained to predict (a list, one object a corpus; null =
    not recorded); of a model with several scales `scores`, scale -> score. `kaldi`:
    `ID MOS`, sorted as with LC_ALL=C, without the clips that could not be scored.

    Args:
        form: see above.
        clips: what was scored.
        results: one a clip.
        model: what the model is called.
        labels: what it was trained to predict.
        shown: for stdout: control characters of names as escapes. A file keeps names
            as they are, but for bytes that are not UTF-8.
        encoding: of stdout.
    """
    as_name = one_line if shown else as_utf8
    if form == "kaldi":
        scored = [
            f"{as_name(clip.name)} {result['mos']:.6f}\n"
            for clip, result in zip(clips, results)
            if result["mos"] is not None
        ]
        return "".join(sorted(scored, key=lambda line: line.split()[0].encode()))
    with_ids = any(clip.utt is not None for clip in clips)
    ends = [k for k in ("mos_low", "mos_high") if any(k in r for r in results)]
    rows = []
    scales = scales_of(results) if form == "csv" else []
    for clip, result in zip(clips, results):
        row: Dict[str, Any] = {"id": clip.name} if with_ids else {}
        row.update(file=clip.path, mos=result["mos"])
        row.update({k: result.get(k) for k in ends})
        row.update({s: result.get("scores", {}).get(s) for s in scales})
        row.update(seconds=result.get("seconds"))
        if form == "jsonl":
            keys = ("scores", "rate", "channels", "frame_shift")
            row.update({k: result[k] for k in keys if k in result})
            row.update(model=model, labels=labels.as_list() or None)
        row.update(warnings=result["warnings"], error=result.get("error"))
        rows.append(row)
    if form == "jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        # Escapes of JSON mean the same as what they stand for: also good in a file.
        return "".join(json_line(line, encoding) + "\n" for line in lines)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        numbers = ("mos", *ends, *scales)
        for key, digits in (*((k, 6) for k in numbers), ("seconds", 3)):
            row[key] = "" if row[key] is None else f"{row[key]:.{digits}f}"
        row["warnings"] = "; ".join(row["warnings"])
        writer.writerow({k: as_name(v) if v else v for k, v in row.items()})
    return out.getvalue()


def scales_of(results: Results) -> List[str]:
    """Return the names of the further scales of some results."""
    names = [name for result in results for name in result.get("scores", {})]
    return [name for name in dict.fromkeys(names) if name != FIRST_SCALE]


def as_utf8(text: str) -> str:
    r"""Return `text` with `\xe9` for bytes of file names that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def write_frames(path: PathLike, frame_mos: np.ndarray, frame_shift: float) -> None:
    """Write frame scores as CSV: `seconds` (middle of the frame), `mos`.

    A frame that no crop has (NaN) has no line.
    """
    lines = [
        f"{(i + 0.5) * frame_shift:.4f},{mos:.6f}\n"
        for i, mos in enumerate(frame_mos)
        if not np.isnan(mos)
    ]
    write_text(path, "seconds,mos\n" + "".join(lines))


def mean_interval(values: Sequence[float]) -> str:
    """Return mean, standard deviation and the mean's 95 % interval, as text."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:7.3f}        -                 -"
    deviation, low, high = student_interval(values)
    return f"{mean:7.3f}  {deviation:7.3f}  [{low:.3f}, {high:.3f}]"


def summary(clips: Sequence[Clip], results: Results, model: str, labels: Labels) -> str:
    """Return lines on the model, and mean and interval of all clips and each folder.

    The interval says how well the mean of such clips is known, not how far the model
    is from listeners. Silent clips, whose scores mean nothing, are in no mean.
    """
    lines = [f"model: {one_line(model)}; {labels.sentence}"]
    scored = [(c, r) for c, r in zip(clips, results) if r["mos"] is not None]
    heard = [(c, r) for c, r in scored if not is_silent(r["warnings"])]
    if heard:
        groups: Dict[str, List[float]] = {}
        for clip, result in heard:
            groups.setdefault(one_line(clip.folder), []).append(result["mos"])
        rows = {"all": [r["mos"] for _, r in heard]}
        if len(groups) > 1:
            rows.update(sorted(groups.items())[:_MOST_FOLDERS])
        width = max(map(len, rows))
        lines.append(
            f"{'':{width}}  {'files':>6}  {'mean':>7}  {'std':>7}  95 % interval"
        )
        for name, values in rows.items():
            lines.append(
                f"{name:{width}}  {len(values):6}  {mean_interval(values)}".rstrip()
            )
        for scale in scales_of(results):
            values = [r["scores"][scale] for _, r in heard]
            text = f"{'all':{width}}  {len(values):6}  {mean_interval(values)}".rstrip()
            lines.append(f"{text}  {scale}")
        if len(groups) > _MOST_FOLDERS:
            lines.append(f"... and {len(groups) - _MOST_FOLDERS} more folders")
    if n_silent := len(scored) - len(heard):
        lines.append(f"left out of the means: {counted(n_silent, 'silent file')}")
    rates = Counter(r["rate"] for _, r in scored if r["rate"] != SAMPLE_RATE)
    if rates:
        which = ", ".join(f"{n} of {rate} Hz" for rate, n in sorted(rates.items()))
        lines.append(f"resampled to {SAMPLE_RATE} Hz: {which}")
    if slow := sum(n for rate, n in rates.items() if rate < SAMPLE_RATE):
        lines.append(f"below {SAMPLE_RATE} Hz, no upper band: {counted(slow, 'file')}")
    if several := sum(r["channels"] > 1 for _, r in scored):
        lines.append(f"several channels, averaged: {counted(several, 'file')}")
    odd = [(c, r["warnings"]) for c, r in scored if r["warnings"]]
    for clip, texts in odd[:5]:
        lines.append(one_line(f"warning: {clip.name}: {'; '.join(texts)}"))
    if len(odd) > 5:
        lines.append(
            f"warning: ... and {counted(len(odd) - 5, 'more file')} (see the table)"
        )
    for result in results:
        if result["mos"] is None:
            lines.append(f"not scored: {one_line(result['error'])}")
    return "".join(line + "\n" for line in lines)


def frames_path(folder: PathLike, clip: Clip, suffix: str) -> Path:
    """Return where something of a clip's is written below `folder`."""
    return Path(folder) / f"{clip.output}{suffix}"
