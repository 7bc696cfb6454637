"""Stage 4: what training needs to know of its data before it starts."""

import logging
import statistics
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Optional

from espnet2_distilmos.tokens.check import check_tokens
from espnet2_distilmos.train.identity import content
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_lines,
    read_ratings,
    read_scores,
    read_words,
    require_same_ids,
    write_lines,
)
from espnet2_distilmos.utils.files import PathLike, write_yaml
from espnet2_distilmos.utils.terminal import counted


def collect_stats(
    data_dir: PathLike, output_dir: PathLike, tokens_scp: Optional[PathLike] = None
) -> None:
    """Check that a set's files agree; write `speech_shape` and `stats.yaml`.

    The lengths are those of stage 1, so no audio is read and no upstream is built.

    Args:
        data_dir: formatted set, with labels.
        output_dir: folder to write.
        tokens_scp: tokens of the set, if tokens are used.

    Raises:
        UserError: a file that is missing or malformed, IDs that differ, or tokens that
            training cannot use.
    """
    data_dir, output_dir = Path(data_dir), Path(output_dir)
    lengths = read_floats(data_dir / "utt2num_samples")
    labels = read_floats(data_dir / "utt2mos")
    files: Dict[str, Dict] = {
        str(data_dir / "wav.scp"): read_lines(data_dir / "wav.scp", str),
        str(data_dir / "utt2num_samples"): lengths,
        str(data_dir / "utt2mos"): labels,
    }
    systems = None
    if (data_dir / "utt2sys").exists():
        files[str(data_dir / "utt2sys")] = systems = read_words(data_dir / "utt2sys")
    more: Dict[str, Any] = {}
    if (data_dir / "utt2corpus").exists():
        files[str(data_dir / "utt2corpus")] = found = read_words(
            data_dir / "utt2corpus"
        )
        more["n_clips_of"] = dict(sorted(Counter(found.values()).items()))
    if (data_dir / "utt2ratings").exists():
        ratings = read_ratings(data_dir / "utt2ratings")
        files[str(data_dir / "utt2ratings")] = ratings
        more["n_ratings"] = sum(map(len, ratings.values()))
        more["n_listeners"] = len({who for r in ratings.values() for who, _ in r})
    if (data_dir / "utt2scores").exists():
        scores = read_scores(data_dir / "utt2scores")
        files[str(data_dir / "utt2scores")] = scores
        of_scales = Counter(scale for labels in scores.values() for scale in labels)
        more["n_labels_of"] = dict(sorted(of_scales.items()))
    if tokens_scp is not None:
        files[str(tokens_scp)] = read_lines(tokens_scp, str)
    require_same_ids(files)
    if tokens_scp is not None:
        digest = content(str(tokens_scp), "kaldi_ark")
        check_tokens(tokens_scp, data_dir, digest)
    write_lines(
        output_dir / "speech_shape", {utt: int(n) for utt, n in lengths.items()}
    )
    seconds = [n / SAMPLE_RATE for n in lengths.values()]
    summary: Dict[str, Any] = {
        "n_clips": len(lengths),
        "n_systems": None if systems is None else len(set(systems.values())),
        "hours": sum(seconds) / 3600,
        "seconds": {"min": min(seconds), "max": max(seconds)},
        "mos": {
            "mean": statistics.fmean(labels.values()),
            "std": statistics.pstdev(labels.values()),
            "min": min(labels.values()),
            "max": max(labels.values()),
        },
        **more,
    }
    write_yaml(output_dir / "stats.yaml", summary)
    logging.info(
        f"{data_dir}: {counted(summary['n_clips'], 'clip')}, {summary['hours']:.2f} h, "
        f"MOS {summary['mos']['mean']:.2f} +- {summary['mos']['std']:.2f}"
    )
