"""Scores of the experiment: read with care, since they come from elsewhere, too."""

import json

import pytest

from espnet2_distilmos.utils.errors import UserError
from mini_mos.experiment.results import development_scores, read_scores

RUN = {
    "part": "development",
    "arm": "a",
    "seed": 1,
    "identity": "x",
    "tokens": {"epoch": 1, "token_acc": 0.5},
    "predictions": {"dev_speaker": [1.0, 2.0, 3.0], "dev_system": [3.0, 1.0, 2.0]},
}
LABELS = {"labels": [1.0, 2.0, 3.0]}
SCORES = {
    "environment": [],
    "sets": {"dev_speaker": LABELS, "dev_system": LABELS},
    "runs": [RUN],
    "rows": {},
}


def test_arms_are_judged_by_the_mean_of_the_development_sets(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(SCORES))
    assert development_scores(read_scores(path)) == {"a": {1: pytest.approx(0.25)}}


@pytest.mark.parametrize(
    "content, told",
    [
        ("{", "not the scores of an experiment"),
        ("[]", "not the scores of an experiment"),
        (json.dumps({**SCORES, "runs": [{"arm": "a"}]}), "a run needs part, arm, seed"),
        (json.dumps({**SCORES, "runs": ["a"]}), "a run needs part"),
    ],
)
def test_what_is_no_file_of_scores_is_refused(tmp_path, content, told):
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"scores.json: .*{told}"):
        read_scores(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_scores(tmp_path / "gone.json")
