"""README.md of a packed model on the Hugging Face Hub: metadata, then text.

The metadata follow https://github.com/huggingface/hub-docs/blob/main/modelcard.md. What
a model's files do not record is left out, never guessed.
"""

import re
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import yaml

from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.load import read_config
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.report.rows import base_of, read_scores, scored_sets
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.install import REPOSITORY, install_line
from espnet2_distilmos.utils.labels import NOT_RECORDED, Labels

# Folder of a packed model: <set>/scores.json as stage 6 wrote it, and what the labels
# of the set are.
SCORES = "scores"
# The Hub has no task for it; models that score speech stand among these.
TASK = "audio-classification"
# Our figures -> the Hub's names of metrics.
METRICS = {
    "mse": "mse",
    "lcc": "pearsonr",
    "srcc": "spearmanr",
    "ktau": "kendalltau",
}
LEVELS = {"utt": "utterance", "sys": "system"}
# Of the Hub's identifiers, those that speech models have; others are `other` there.
LICENCES = (
    *("apache-2.0", "mit", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "cc0-1.0"),
    *("cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
    *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0"),
)
# What the Hub takes for the name of a data set.
_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def keep_scores(scores: PathLike, labels: Optional[PathLike], folder: Path) -> None:
    """Copy the scores of test sets into a model's folder, with what their labels are.

    Variants of a set (`test@-26dB`) are left out: RESULTS.md has them.

    Args:
        scores: folder with `<set>/scores.json`, or one that is not there.
        labels: folder with `<set>/labels.yaml`.
        folder: the model; gets `scores/<set>/`.

    Raises:
        UserError: a file that is not what stage 6 wrote.
    """
    if not Path(scores).is_dir():
        return
    for name, source in scored_sets(Path(scores)).items():
        if name != base_of(name):
            continue
        read_scores(source / "scores.json")
        target = folder / SCORES / name
        target.mkdir(parents=True)
        shutil.copyfile(source / "scores.json", target / "scores.json")
        if labels is not None:
            Labels.beside(Path(labels) / name).carry(target)


def metadata(folder: PathLike, repo: str) -> Dict[str, Any]:
    """Return the metadata of a model's card, as plain types for YAML.

    Args:
        folder: the unpacked model.
        repo: `owner/name` on the Hub.

    Raises:
        UserError: no model in the folder, or records that are none.
    """
    folder = Path(folder)
    train_config, _ = locate_model(str(folder))
    labels = Labels.of_model(read_config(train_config), train_config)
    tags = ["espnet", "audio", "speech", "speech-quality-assessment"]
    if labels and all(info.kind == "human" for info in labels.infos):
        tags.append("mean-opinion-score")
    meta: Dict[str, Any] = {"pipeline_tag": TASK, "library_name": "espnet2-distilmos"}
    meta.update(_licence(folder))
    corpora = dict.fromkeys(info.corpus for info in labels.infos)
    if datasets := [name for name in corpora if _DATASET.fullmatch(name)]:
        meta["datasets"] = datasets
    results = list(_results(folder, labels))
    if results:
        used = {m["type"] for result in results for m in result["metrics"]}
        meta["metrics"] = [name for name in METRICS.values() if name in used]
    meta["tags"] = tags
    if results:
        name = repo.rpartition("/")[2]
        meta["model-index"] = [{"name": name, "results": results}]
    return meta


def _licence(folder: Path) -> Dict[str, str]:
    """Return the licence of the model itself; that of its data is no licence of it."""
    file = folder / "meta.yaml"
    facts = (read_yaml(file) if file.exists() else {}).get("facts") or {}
    licence = facts.get("licence")
    if not licence:
        return {}
    name = re.sub(r"[^a-z0-9.]+", "-", str(licence).lower()).strip("-")
    if name in LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": name}


def _results(folder: Path, labels: Labels) -> Iterator[Dict[str, Any]]:
    """Yield one result of the model index a test set whose corpus is recorded."""
    if not (folder / SCORES).is_dir():
        return
    task = {"type": TASK, "name": f"prediction of {labels.name}"}
    for name, place in sorted(scored_sets(folder / SCORES).items()):
        corpus = Labels.beside(place).corpora
        metrics = _figures(read_scores(place / "scores.json"))
        if not corpus or not metrics:
            continue
        split = name.rpartition("/")[2]
        dataset = {"type": corpus, "name": f"{corpus} {split}", "split": split}
        yield {"task": task.copy(), "dataset": dataset, "metrics": metrics}


def _figures(scores: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Figures that exist, by utterance and by system, each with its interval."""
    found = []
    for level, word in LEVELS.items():
        for figure, metric in METRICS.items():
            value = (scores.get(level) or {}).get(figure) or {}
            if value.get("value") is None:
                continue
            name = f"{figure.upper()} by {word}"
            if value.get("ci95"):
                low, high = value["ci95"]
                name += f", 95 % interval {low:.3f} to {high:.3f}"
            found.append({"type": metric, "value": value["value"], "name": name})
    return found


def model_card(folder: PathLike, repo: str) -> str:
    """Return the README.md of a packed model, in Markdown.

    Args:
        folder: the unpacked model.
        repo: `owner/name` on the Hub.

    Raises:
        UserError: see :func:`metadata`.
    """
    folder = Path(folder)
    front = yaml.safe_dump(
        metadata(folder, repo), sort_keys=False, allow_unicode=True, width=1000
    )
    shown = describe_model(str(folder))
    shown.pop("checkpoint")
    rows = "".join(f"| {name} | {text} |\n" for name, text in shown.items())
    results = folder / "RESULTS.md"
    return f"""---
{front}---

# {repo}

{_first_sentence(shown)}
Method: DistilMOS ([arXiv 2601.13700](https://arxiv.org/abs/2601.13700)), trained
with the [ESPnet](https://github.com/espnet/espnet) recipe of espnet2-distilmos.

`{REPOSITORY}` is the address of the repository of espnet2-distilmos, which is on no
package index; in a clone of it, `pip install '.[torch]'` does the same.

```sh
{install_line("torch")}
distilmos score --model {repo} FOLDER
```

```python
from espnet2_distilmos import DistilMOSInference

model = DistilMOSInference.from_pretrained("{repo}")
model(speech, fs=24000)["mos"]
```

|  |  |
| --- | --- |
{rows}
{results.read_text(encoding="utf-8") if results.exists() else ""}"""


def _first_sentence(shown: Mapping[str, str]) -> str:
    """Say what the scores are, in words that nobody can take for something else."""
    what = shown["labels"]
    if what == NOT_RECORDED:
        return "Scores speech quality; what its labels were is not recorded."
    return f"Scores speech: predicts {what}. Trained on {shown['training corpus']}."
