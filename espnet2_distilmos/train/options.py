"""Options of a training, seen without torch and before the task parses them."""

import argparse
from typing import Any, Dict, Mapping, NoReturn, Sequence

import yaml

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

# Of DistilMOSLoss, where loss_conf does not say it.
TOKEN_WEIGHT = 1.0
# Of DistilMOSPredictor: the one that is a linear probe.
READOUT = "statistics"
# Its weights in a checkpoint (tokens/probe_start.py, which is slow to import).
READOUT_WEIGHTS = "network.predictor.readout"


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


def starts_from_probe(options: argparse.Namespace) -> bool:
    """Return whether a training is to be given the linear probe of its upstream.

    That is, if its predictor has the readout that is such a probe, and no weights that
    it is started from (`init_param`) bring one: those of a whole model do, unless the
    readout is left out of them (`FILE:::network.predictor.readout`).

    Args:
        options: from :func:`options_of`.

    Raises:
        UserError: `predictor_conf` is no mapping, or the predictor has no readout.
    """
    conf = options.predictor_conf or {}
    if not isinstance(conf, dict):
        raise UserError(f"predictor_conf must be a mapping, not {conf!r}")
    has_readout = conf.get("readout") == READOUT
    if has_readout and options.predictor not in (None, "distilmos"):
        raise UserError(
            f"predictor {options.predictor} has no readout; leave predictor_conf "
            "readout out, or take predictor distilmos"
        )
    return has_readout and not any(map(_brings_readout, options.init_param))


def _brings_readout(spec: str) -> bool:
    """Tell whether FILE:FROM:TO:WITHOUT, as ESPnet reads it, has a readout in it."""
    _, source, _, excluded = (*spec.split(":", 3), "", "", "")[:4]
    return (
        READOUT_WEIGHTS.startswith(source)
        and READOUT_WEIGHTS not in excluded.split(",")
    )  # fmt: skip


def upstream_conf_of(options: argparse.Namespace) -> Dict[str, Any]:
    """Return the upstream's configuration as the task will read it.

    Args:
        options: from :func:`options_of`.

    Raises:
        UserError: no file, one that cannot be read, or no mapping.
    """
    if options.upstream_config is None:
        raise UserError("--upstream_config conf/upstream/NAME.yaml is needed")
    more = options.upstream_conf or {}
    if not isinstance(more, dict):
        raise UserError(f"upstream_conf must be a mapping, not {more!r}")
    return {**read_yaml(options.upstream_config), **more}


def loss_conf_of(words: Sequence[str]) -> Dict[str, Any]:
    """Return `loss_conf` of a command line, see :func:`options_of`."""
    return options_of(words).loss_conf


class _Parser(argparse.ArgumentParser):
    """Says in a line of ours what is wrong with an option, instead of its usage."""

    def error(self, message: str) -> NoReturn:
        """See :class:`argparse.ArgumentParser`."""
        what = message.replace(
            "must be interpreted as dict: but got", "key=value was expected, not"
        )
        raise UserError(f"options of the training: {what.splitlines()[0]}")


def options_of(words: Sequence[str]) -> argparse.Namespace:
    """Return what is asked here of a command line of `distilmos_train`.

    Options count more than the file of `--config`, as in the task's own parser. This
    one knows few others, and so needs neither torch nor the task.

    Raises:
        UserError: the file cannot be read, or an option has no value that can be.
    """
    from espnet2.utils.nested_dict_action import NestedDictAction

    parser = _Parser(add_help=False)
    parser.add_argument("--config")
    # Those of the task that begin as others do: argparse takes a beginning for a name.
    for name in ("--loss", "--predictor", "--init"):
        parser.add_argument(name)
    for name in ("--loss_conf", "--predictor_conf", "--upstream_conf"):
        parser.add_argument(name, action=NestedDictAction, default={})
    parser.add_argument("--upstream_config")
    parser.add_argument("--init_param", nargs="*", default=[])
    path = _parsed(parser, words).config
    config = {} if path is None else read_yaml(path)
    known = vars(parser.parse_args([]))
    parser.set_defaults(**{key: config[key] for key in known if key in config})
    return _parsed(parser, words)


def _parsed(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> argparse.Namespace:
    try:
        return parser.parse_known_args(list(words))[0]
    except yaml.YAMLError as e:  # of KEY=VALUE, the value
        raise UserError(
            f"options of the training: not valid YAML: {' '.join(str(e).split())}"
        ) from e
