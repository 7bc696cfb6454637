"""The linear probe of an upstream, from the audio of the sets to the row's files."""

from collections.abc import Callable
from pathlib import Path

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.report.probe import ProbeRow
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.tokens.layout import statistics_file, statistics_request
from espnet2_distilmos.utils.files import PathLike

# Folder of the features, beside those of the rows: <upstream>/<set>/statistics.npy.
FEATURES = "layer_statistics"


def write_linear_probe(
    sets: LabelledSets,
    output_dir: PathLike,
    conf: UpstreamConfig,
    name: str,
    choose_device: Callable[[], str],
    batch_seconds: float | None = None,
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
        n_jobs: threads of the regression.
        seed: of the folds in which its strength is chosen.

    Returns:
        The row.

    Raises:
        UserError: no such upstream, or audio that cannot be read.
    """
    folders = {sets.train_name: sets.train_dir, **sets.test_dirs}
    if conf.random_init is not None and not Path(str(conf.path_or_url)).exists():
        from espnet2_distilmos.model.upstream.checkpoint import ensure_checkpoint

        ensure_checkpoint(conf)  # it has no digest before
    requests = {n: statistics_request(conf, folder) for n, folder in folders.items()}
    row = ProbeRow(sets, output_dir, name, requests, seed)
    if row.is_whole():
        return row
    # Here: where nothing has changed, torch would be most of the time.
    from espnet2_distilmos.tokens.layer_statistics import LayerStatistics

    features_dir = Path(output_dir) / FEATURES / name
    statistics = LayerStatistics(
        folders, conf, features_dir, choose_device(), batch_seconds
    )
    statistics.run()
    statistics.combine()
    row.write({n: statistics_file(features_dir / n) for n in folders}, n_jobs)
    return row
