"""Models of random weights, as trainings leave them."""

from pathlib import Path
from typing import Any, Dict

import torch
import yaml

from espnet2_distilmos.model.network import build_network


def write_random_model(folder: Path, upstream_conf: Dict[str, Any]) -> None:
    """Write `config.yaml` and `model.pth`; its frames' scores differ."""
    torch.manual_seed(0)
    network = build_network(upstream_conf, "distilmos", {"hidden_size": 8})
    torch.nn.init.normal_(network.predictor.decoder.output.weight)
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "model.pth")
    config = {"upstream_conf": upstream_conf, "predictor": "distilmos"}
    config["predictor_conf"] = {"hidden_size": 8}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
