"""Mappings of YAML files made into dataclasses."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import pytest

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.mapping import from_mapping


@dataclass(frozen=True)
class Settings:
    name: str
    steps: int = 3
    rate: float = 0.5
    on: bool = True
    more: Dict[str, Any] = field(default_factory=dict)
    left_alone: Optional[List[int]] = None

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise UserError("name: not that one")


def test_what_fits_is_taken():
    assert from_mapping(Settings, {"name": "a"}, "x") == Settings("a")
    given = {"name": "a", "steps": 0, "rate": 2, "on": False, "more": {1: 2}}
    given["left_alone"] = "anything"
    assert from_mapping(Settings, given, "x") == Settings(**given)


@pytest.mark.parametrize(
    "data, message",
    [
        ([], "a mapping (key: value lines) was expected"),
        (None, "a mapping (key: value lines) was expected"),
        ({"name": "a", "stepps": 1, 2: 3}, "unknown key 2, stepps; known: name, steps"),
        ({"steps": 1}, "missing: name"),
        ({"name": 3}, "name must be text, not 3"),
        ({"name": "a", "steps": True}, "steps must be a whole number, not True"),
        ({"name": "a", "steps": 1.5}, "steps must be a whole number, not 1.5"),
        ({"name": "a", "steps": -1}, "steps must be a whole number, not -1"),
        ({"name": "a", "steps": float("nan")}, "steps must be a whole number, not nan"),
        ({"name": "a", "rate": "1e-2"}, "rate must be a number >= 0, not '1e-2'"),
        ({"name": "a", "on": 1}, "on must be true or false, not 1"),
        ({"name": "a", "more": None}, "more must be a mapping, not None"),
        ({"name": "bad"}, "name: not that one"),
    ],
)
def test_the_rest_is_refused_in_words(data, message):
    with pytest.raises(UserError) as error:
        from_mapping(Settings, data, "conf/x.yaml")
    assert str(error.value).startswith(f"conf/x.yaml: {message}")
