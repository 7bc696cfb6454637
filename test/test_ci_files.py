"""What runs the checks elsewhere: .github/workflows and pre-commit's hooks."""

import os
import re
from pathlib import Path

import tomllib
import yaml

REPO = Path(__file__).parents[1]


def workflow():
    return yaml.safe_load((REPO / ".github/workflows/ci.yaml").read_text())["jobs"]


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_runs_what_ci_runs():
    assert ".ci/run" in commands(workflow()["checks"])


def test_every_file_that_the_workflow_runs_is_there():
    named = {
        name
        for job in workflow().values()
        for line in commands(job)
        for name in re.findall(r"\.ci/[\w.]+", line)
    }
    assert named == {f".ci/{path.name}" for path in (REPO / ".ci").iterdir()}
    assert all(os.access(REPO / name, os.X_OK) for name in named)


def test_the_scorer_is_tried_on_the_oldest_and_the_newest_python():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    versions = re.findall(r":: (3\.\d+)", "\n".join(project["classifiers"]))
    tried = workflow()["scorer"]["strategy"]["matrix"]["python"]
    assert tried == [versions[0], versions[-1]]
    assert project["requires-python"] == f">={tried[0]}"


def test_hooks_are_the_style_checks_of_test_sh():
    text = (REPO / "test.sh").read_text()
    checks = set(
        re.findall(r'^check (?:"[^"]+"|\w+) (\w+(?: format| check)?)', text, re.M)
    )
    checks.discard("python")  # the tests themselves
    config = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    hooks = [hook["entry"] for hook in repo["hooks"]]
    tools = {
        re.match(r"\.venv/bin/(\w+(?: format| check)?)", hook)[1] for hook in hooks
    }
    assert tools == checks
