"""`distilmos benchmark`: several models on several sets, compared pair by pair."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from espnet2_distilmos.packs.about import calibration_of, labels_of
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.report.compare import (
    Comparison,
    compare_set,
    correct,
    differences_table,
)
from espnet2_distilmos.report.environment import environment_lines
from espnet2_distilmos.report.results import render_results
from espnet2_distilmos.report.rows import Row
from espnet2_distilmos.report.scales import differing, without_errors
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    sha256_file,
    write_json,
    write_text,
)
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.set_names import set_name
from espnet2_distilmos.utils.stamp import fingerprint, is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted

COMMAND = "distilmos benchmark"


def benchmark(
    models: Sequence[str],
    sets: Sequence[str],
    output_dir: PathLike,
    metrics: Sequence[str] = ("srcc",),
    n_bootstrap: int = 10000,
    seed: int = 0,
    device: str = "auto",
    batch_seconds: Optional[float] = None,
    num_workers: int = 2,
) -> str:
    """Score `sets` with `models`; write the tables and a test of every difference.

    Written to `output_dir`: `benchmark.md`, `benchmark.json`, and for each model and
    set `<model>/<set>/utt2mos` and `scores.json`. Predictions that are there already
    are not made again.

    Args:
        models: What `locate_model` takes, with or without `NAME=` in front.
        sets: Data directories with labels, with or without `NAME=` in front. The
            audio may have any sampling rate.
        output_dir: Folder to write.
        metrics: Figures whose differences are tested, keys of METRICS.
        n_bootstrap: Resamples of the tests (the intervals of the figures themselves
            have 1000, as everywhere).
        seed: Seed of all resampling.
        device: `auto`, `cpu` or `cuda`.
        batch_seconds: Seconds of audio a batch.
        num_workers: Threads that read audio.

    Returns:
        The tables, to be printed.

    Raises:
        UserError: no such model or set, two of one name, a set without labels, or a
            clip that cannot be scored.
    """
    unknown = sorted(set(metrics) - set(METRICS))
    if unknown:
        raise UserError(f"no figure {unknown[0]!r}; there are {', '.join(METRICS)}")
    output_dir = Path(output_dir)
    located = {n: locate_model(m) for n, m in _named(models, _model_name).items()}
    trained_on = {n: labels_of(files) for n, files in located.items()}
    folders = _named(sets, set_name)
    data = {n: _load(d) for n, d in folders.items()}
    labelled = {n: Labels.beside(d) for n, d in folders.items()}
    with folder_lock(output_dir):
        predictions: Dict[str, Dict[str, Dict[str, float]]] = {s: {} for s in data}
        rows = []
        for model, files in located.items():
            folder = output_dir / model.replace("/", "_")
            made = _predict(files, data, folder, device, batch_seconds, num_workers)
            row = Row(model, tag=COMMAND, note=calibration_of(files))
            for name, values in made.items():
                predictions[name][model] = values
                labels, systems = data[name].mos or {}, data[name].systems
                scores = score(labels, values, systems, seed=seed)
                if (scales := differing(trained_on[model], labelled[name])) is not None:
                    scores = without_errors(scores, scales)
                row.scores[name] = scores
                write_json(folder / name / "scores.json", row.scores[name])
            rows.append(row)
        comparisons: List[Comparison] = []
        for name, content in data.items():
            comparisons += compare_set(
                name,
                content.mos or {},
                content.systems,
                predictions[name],
                metrics,
                n_bootstrap,
                seed,
                [m for m, of in trained_on.items() if differing(of, labelled[name])],
            )
        comparisons = correct(comparisons)
        notes = {n: f"Labels: {x.what}." for n, x in labelled.items()}
        head, body = render_results(
            rows,
            set_notes=notes,
            title="Benchmark",
            environment=environment_lines(),
            made_by=COMMAND,
        )
        body += "\n## Models\n\n"
        body += "".join(f"- {n}: {x.sentence}\n" for n, x in trained_on.items())
        if comparisons:
            body += "\n## Differences\n\n"
            body += differences_table(comparisons, n_bootstrap, seed)
        write_json(
            output_dir / "benchmark.json",
            {
                "models": {n: str(files[1]) for n, files in located.items()},
                "labels": {
                    "models": {n: x.as_list() or None for n, x in trained_on.items()},
                    "sets": {n: x.as_list() or None for n, x in labelled.items()},
                },
                "scores": {row.name: row.scores for row in rows},
                "differences": [c.to_dict() for c in comparisons],
                "bootstrap": {"n": n_bootstrap, "seed": seed},
            },
        )
        write_text(output_dir / "benchmark.md", f"{head}\n{body}")
    return body


def _named(items: Sequence[str], name_of) -> Dict[str, str]:
    """Return name -> item, from `ITEM` or `NAME=ITEM`."""
    named: Dict[str, str] = {}
    for item in items:
        name, equals, rest = item.partition("=")
        if not equals or "/" in name:
            name, rest = name_of(item), item
        if not name or name in (".", "..") or name != name.strip():
            raise UserError(f"{item}: {name!r} is no name; write NAME={rest}")
        if name in named:
            raise UserError(
                f"{named[name]} and {rest} are both called {name}; write NAME={rest}"
            )
        named[name] = rest
    return named


def _model_name(tag: str) -> str:
    """Return a model's name: the experiment's folder rather than the checkpoint."""
    path = Path(tag)
    if path.is_dir():
        return path.resolve().name
    if path.suffix == ".zip":
        return path.stem
    return path.resolve().parent.name if path.is_file() else tag


def _load(folder: str) -> DataDir:
    content = DataDir.load(folder, strict=False)
    if content.mos is None:
        raise UserError(f"{folder}: has no utt2mos; labels are needed to compare with")
    return content


def _predict(
    files: Tuple[Path, Path],
    data: Mapping[str, DataDir],
    folder: Path,
    device: str,
    batch_seconds: Optional[float],
    num_workers: int,
) -> Dict[str, Dict[str, float]]:
    """Set -> ID -> prediction of one model; loads it only if something is missing."""
    engine = None
    made = {}
    model = {f.name: sha256_file(f) for f in files}
    for name, content in data.items():
        request = {"model": model, "audio": fingerprint(content.wavs)}
        target = folder / name
        if not is_whole(target / "inference.yaml", request):
            if engine is None:
                # After the cheap checks: torch takes seconds.
                from espnet2_distilmos.inference.engine import DistilMOSInference

                engine = DistilMOSInference(
                    *files, device=device, batch_seconds=batch_seconds
                )
            values = {}
            results = engine.score_files(content.wavs.values(), num_workers)
            for utt, result in zip(content.wavs, results):
                if result["mos"] is None:
                    raise UserError(f"{name}: {utt}: {result['error']}")
                values[utt] = result["mos"]
            write_lines(target / "utt2mos", values)
            write_stamp(target / "inference.yaml", request)
            logging.info(f"{target}: {counted(len(values), 'clip')} scored")
        # As written, so that a second run gives the same figures to the last digit.
        made[name] = read_floats(target / "utt2mos")
    return made
