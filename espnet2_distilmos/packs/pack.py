"""Self-contained models: all that scoring needs, in one folder or zip.

The layout is that of ESPnet's packed models, so that the ESPnet model zoo can unpack
them: `meta.yaml` (which file is what), `config.yaml`, `model.pth` (the predictor),
`upstream.pt` (the fine-tuned upstream in S3PRL's own format) and, if they are there,
`RESULTS.md` and `scores/<set>/scores.json` for the model card.
"""

import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, Mapping, Optional

import torch

import espnet2_distilmos
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.model.upstream.checkpoint import checkpoint_sha256
from espnet2_distilmos.packs.calibrate import checkpoint_name, require_current
from espnet2_distilmos.packs.calibration_record import (
    CALIBRATION,
    read_calibration,
)
from espnet2_distilmos.packs.card import keep_scores
from espnet2_distilmos.packs.interval_record import INTERVAL, read_interval
from espnet2_distilmos.packs.load import (
    MODEL_SHA256,
    PREFIX,
    in_upstream_file,
    load_network,
    read_config,
)
from espnet2_distilmos.packs.upstream_files import save_upstream
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    require_output,
    sha256_file,
    write_yaml,
)
from espnet2_distilmos.utils.labels import Labels

# What `facts` may hold besides what config.yaml records of the labels: the licence of
# the model, and where it is from.
FACTS = ("licence", "source")


def pack_model(
    train_config: PathLike,
    model_file: PathLike,
    output: PathLike,
    results: Optional[PathLike] = None,
    facts: Optional[Mapping[str, Optional[str]]] = None,
    scores: Optional[PathLike] = None,
    set_labels: Optional[PathLike] = None,
    **labels: Optional[str],
) -> None:
    """Write a trained model as a zip that loads anywhere.

    Args:
        train_config: the training's config.yaml.
        model_file: the checkpoint to pack.
        output: zip to write, atomically.
        results: RESULTS.md to put in, if it is there.
        facts: see :data:`FACTS`.
        scores: folder with `<set>/scores.json`, for the model card, if it is there.
        set_labels: folder with `<set>/labels.yaml`, likewise.
        labels: `corpus`, `kind` or `name` instead of what config.yaml records.

    Raises:
        UserError: files that do not belong together, or cannot be packed.
    """
    require_output(output, train_config, model_file, results)
    config = read_config(train_config)
    recorded = Labels.of_model(config, train_config).override(**labels)
    config["label_conf"] = recorded.as_list() or None
    network = load_network(train_config, model_file)
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        calibration = read_calibration(config, model_file)
        if calibration is not None:
            require_current(calibration, model_file)
            config[CALIBRATION] = calibration
        interval = read_interval(config, model_file)
        if interval is not None:
            config[INTERVAL] = interval.as_mapping()
        name = checkpoint_name(config, model_file)
        write_model(folder, network, config, facts, packed_from=name)
        if results is not None and Path(results).exists():
            shutil.copyfile(results, folder / "RESULTS.md")
        if scores is not None:
            keep_scores(scores, set_labels, folder)
        # What was written must load, without the files that it was made from.
        load_network(folder / "config.yaml", folder / "model.pth")
        with atomic_path(output) as target:
            # Weights do not compress.
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as z:
                files = sorted(f for f in folder.rglob("*") if f.is_file())
                # meta.yaml first: ESPnet reads the archive until it finds it.
                for file in sorted(files, key=lambda f: f.name != "meta.yaml"):
                    z.write(file, file.relative_to(folder))


def write_model(
    folder: PathLike,
    network: MOSNetwork,
    config: Mapping[str, Any],
    facts: Optional[Mapping[str, Optional[str]]] = None,
    packed_from: Optional[str] = None,
) -> None:
    """Write a self-contained model into a folder.

    Args:
        folder: where to write.
        network: the model.
        config: content of its config.yaml.
        facts: see :data:`FACTS`; those that are None are left out.
        packed_from: name of the checkpoint that it is made of, for `distilmos info`.

    Raises:
        UserError: an upstream of which no file can be made, or an unknown fact.
    """
    folder = Path(folder)
    facts = {k: v for k, v in (facts or {}).items() if v is not None}
    unknown = sorted(set(facts) - set(FACTS))
    if unknown:
        raise UserError(f"unknown fact {unknown[0]}; known: {', '.join(FACTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    config = dict(config)
    config["upstream_conf"] = save_upstream(network.upstream, folder)
    path = config["upstream_conf"]["path_or_url"]
    has_file = path is not None and (folder / path).exists()
    if has_file:
        config["upstream_sha256"] = checkpoint_sha256(str(folder / path))
    states = {
        PREFIX + key: value.cpu()
        for key, value in network.state_dict().items()
        if not (has_file and in_upstream_file(key))
    }
    with atomic_path(folder / "model.pth") as tmp:
        torch.save(states, tmp)
    config[MODEL_SHA256] = sha256_file(folder / "model.pth")
    write_yaml(folder / "config.yaml", config)
    write_yaml(
        folder / "meta.yaml",
        {
            "files": {"model_file": "model.pth"},
            "yaml_files": {"train_config": "config.yaml"},
            # As ESPnet's packing writes it.
            "timestamp": float(os.environ.get("SOURCE_DATE_EPOCH", time.time())),
            "python": sys.version,
            "torch": str(torch.__version__),
            "espnet": _version("espnet"),
            "espnet2_distilmos": espnet2_distilmos.__version__,
            "facts": facts,
            **({} if packed_from is None else {"packed_from": packed_from}),
        },
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
