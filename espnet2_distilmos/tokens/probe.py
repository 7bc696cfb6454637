"""The linear probe of an upstream, from the audio of the sets to the row's files."""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Optional, Tuple

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.report.probe import ProbeRow
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.tokens.layout import statistics_file, statistics_request
from espnet2_distilmos.utils.command import set_up_logging
from espnet2_distilmos.utils.files import PathLike

# Folder of the features, beside those of the rows: <upstream>/<set>/statistics.npy.
FEATURES = "layer_statistics"
# Audio for which another process, with torch and the upstream of its own, is worth it.
_WORTH_A_PROCESS = 900.0  # seconds


def write_linear_probe(
    sets: LabelledSets,
    output_dir: PathLike,
    conf: UpstreamConfig,
    name: str,
    choose_device: Callable[[], str],
    batch_seconds: Optional[float] = None,
    n_jobs: int = 2,
    seed: int = 0,
) -> ProbeRow:
    """Write the row `<output_dir>/linear_probe_<name>/`, unless it is current.

    The features are kept in `<output_dir>/layer_statistics/<name>/`, so that other
    labels or another test set do not cost another pass over all audio.

    Args:
        sets: formatted sets: the one to learn from, and those to predict.
        output_dir: folder of the reference rows.
        conf: the upstream.
        name: what it is called in the table, and its folders.
        choose_device: returns `cpu`, `cuda:1`...; called where it is needed.
        batch_seconds: of audio, with padding; None = as suits the device.
        n_jobs: threads of the regression; on a CPU processes of the upstream, too.
        seed: of the folds in which its strength is chosen.

    Returns:
        The row.

    Raises:
        UserError: no such upstream, or audio that cannot be read.
    """
    folders = {sets.train_name: sets.train_dir, **sets.test_dirs}
    ensure_digest(conf)
    requests = {n: statistics_request(conf, folder) for n, folder in folders.items()}
    row = ProbeRow(sets, output_dir, name, requests, seed)
    if row.is_whole():
        return row
    features_dir = Path(output_dir) / FEATURES / name
    keep_statistics(folders, conf, features_dir, choose_device, batch_seconds, n_jobs)
    row.write({n: statistics_file(features_dir / n) for n in folders}, n_jobs)
    return row


def ensure_digest(conf: UpstreamConfig) -> None:
    """Make the checkpoint of an upstream that is made at its first use.

    It has no digest before, for stamps.
    """
    if (conf.random_init or conf.release) and not Path(str(conf.path_or_url)).exists():
        from espnet2_distilmos.model.upstream.checkpoint import ensure_checkpoint

        ensure_checkpoint(conf)


def keep_statistics(
    folders: Mapping[str, PathLike],
    conf: UpstreamConfig,
    features_dir: PathLike,
    choose_device: Callable[[], str],
    batch_seconds: Optional[float] = None,
    n_jobs: int = 1,
) -> None:
    """Make the layer statistics of sets that are not whole in their folder yet.

    Args:
        folders: set -> formatted set.
        conf: the upstream.
        features_dir: gets `<set>/statistics.npy`.
        choose_device: returns `cpu`, `cuda:1`...; called where it is needed.
        batch_seconds: of audio, with padding; None = as suits the device.
        n_jobs: processes on a CPU, if there is enough to do.

    Raises:
        UserError: no such upstream, or audio that cannot be read.
    """
    # Here: where nothing has changed, torch would be most of the time.
    from espnet2_distilmos.tokens.layer_statistics import LayerStatistics

    device = choose_device()
    work = (folders, conf, features_dir, device, batch_seconds)
    statistics = LayerStatistics(*work)
    most = n_jobs if device == "cpu" else 1
    nj = min(most, int(statistics.pending_seconds() / _WORTH_A_PROCESS))
    if nj > 1:
        _run_in_processes(work, nj)
    else:
        statistics.run()
    statistics.combine()


def _run_in_processes(work: Tuple[Any, ...], nj: int) -> None:
    """Share the layer statistics out over processes; they have no result to return."""
    # spawn: forked children of a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(nj, mp_context=context) as pool:
        jobs = [pool.submit(_run_job, work, job, nj) for job in range(1, nj + 1)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_job(work: Tuple[Any, ...], job: int, nj: int) -> None:
    import torch

    from espnet2_distilmos.tokens.layer_statistics import LayerStatistics

    set_up_logging()
    torch.set_num_threads(1)  # one a process
    LayerStatistics(*work).run(job, nj)
