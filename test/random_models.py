"""Models of random weights, as trainings leave them."""

from pathlib import Path
from typing import Any, Dict

import tiny_upstreams
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


def write_family_model(folder, family, style, options, logits=None, moved=0.1):
    """A model of a family whose outputs are spread over some MOS units.

    With a readout, block 1 is as pretrained and those above it are moved away.
    """
    from espnet2_distilmos.model.network import build_network

    folder.mkdir(parents=True, exist_ok=True)
    conf = tiny_upstreams.make(family, folder, style)
    if options and "readout" in options:
        conf["frozen_layers"] = 1
    predictor = "sslmos" if options is None else "distilmos"
    predictor_conf = {} if options is None else {"hidden_size": 16, **options}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(conf, predictor, predictor_conf)
        with torch.no_grad():
            for value in network.predictor.parameters():
                value.add_(0.1 * torch.randn_like(value))
            for name, value in network.predictor.named_buffers():
                if name.endswith("running_mean"):
                    value.add_(0.1 * torch.randn_like(value))
            if network.predictor.readout is not None:
                for value in network.upstream.encoder.layers[1:].parameters():
                    value.add_(moved * torch.randn_like(value))
            if logits is not None:
                network.predictor.weighting.logits.copy_(torch.tensor(logits))
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "model.pth")
    config = {
        "upstream_conf": conf,
        "predictor": predictor,
        "predictor_conf": predictor_conf,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder
