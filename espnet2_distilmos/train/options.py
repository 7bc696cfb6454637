"""Options of a training, seen without torch and before the task parses them."""

import argparse
from typing import Any, Dict, Mapping, Sequence

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

# Of DistilMOSLoss, where loss_conf does not say it.
TOKEN_WEIGHT = 1.0


def require_numbers(options: Mapping[str, Any]) -> None:
    """Refuse numbers that YAML reads as text (`1e-3`) in the options' mappings.

    Raises:
        UserError: names the option.
    """
    for name, conf in options.items():
        if not name.endswith("_conf") or not isinstance(conf, dict):
            continue
        for key, value in conf.items():
            if isinstance(value, str) and _is_number(value):
                raise UserError(
                    f"{name} {key}: {value!r} is text to YAML; write it as in 0.001 or "
                    "1.0e-3"
                )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def uses_tokens(loss_conf: Any) -> bool:
    """Return whether a training with these options of the loss uses tokens.

    Raises:
        UserError: no mapping, or a weight that is no number.
    """
    if not isinstance(loss_conf or {}, dict):
        raise UserError(f"loss_conf must be a mapping, not {loss_conf!r}")
    require_numbers({"loss_conf": loss_conf})
    weight = (loss_conf or {}).get("token_weight", TOKEN_WEIGHT)
    if not isinstance(weight, (int, float)):
        raise UserError(f"loss_conf token_weight must be a number, not {weight!r}")
    return weight > 0


def loss_conf_of(words: Sequence[str]) -> Dict[str, Any]:
    """Return `loss_conf` of a command line of `distilmos_train`.

    Options count more than the file of `--config`, as in the task's own parser. This
    one knows no others, and so needs neither torch nor the task.

    Raises:
        UserError: the file cannot be read.
    """
    from espnet2.utils.nested_dict_action import NestedDictAction

    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config")
    parser.add_argument("--loss")
    parser.add_argument("--loss_conf", action=NestedDictAction, default={})
    path = parser.parse_known_args(list(words))[0].config
    config = {} if path is None else read_yaml(path)
    if "loss_conf" in config:
        parser.set_defaults(loss_conf=config["loss_conf"])
    return parser.parse_known_args(list(words))[0].loss_conf
