"""Tables of the benchmarks' figures, and their places in a page."""

from pathlib import Path
from typing import Any, Dict, List

SOMOS_HOURS = 23.0  # 17,100 clips of train and valid, about 4.9 s each
LARGE = {"layers": 24, "hidden": 1024, "frames": 200_000}


def table(header: List[str], rows: List[List[Any]]) -> str:
    """Markdown; all but the first column to the right."""
    lines = [f"| {' | '.join(header)} |"]
    lines.append("| --- |" + " ---: |" * (len(header) - 1))
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def _row(what, by, aim, met):
    return [what, f"{by['cpu']:.2f}", f"{by['wall']:.2f}", aim, "yes" if met else "NO"]


def aims(results: Dict[str, Any]) -> str:
    """Every ratio beside what was aimed at."""
    rows = []
    if (r := results.get("tokenization")) is not None:
        aim = 0.8 * r["layers"]
        for key, what in (
            ("by_layer_over_all", "1. a pass a layer / all layers in one pass"),
            ("by_layer_stopping_over_all", "1. the same, each stopping at its layer"),
        ):
            rows.append(_row(what, r[key], f">= {aim:.1f}", r[key]["cpu"] >= aim))
    if (r := results.get("training_step")) is not None:
        by = r["tokens_over_plain"]
        rows.append(
            _row("2. step with / without tokens", by, "<= 1.05", by["cpu"] <= 1.05)
        )
        x = r["memory_tokens_over_plain"]
        rows.append(["2. memory with / without tokens", f"{x:.2f}", "", "<= 1.05",
                     "yes" if x <= 1.05 else "NO"])  # fmt: skip
    if (r := results.get("trainer")) is not None:
        by = r["espnet_over_bare"]
        rows.append(
            _row("3. ESPnet's trainer / bare loop", by, "<= 1.10", by["wall"] <= 1.1)
        )
    if (r := results.get("scoring")) is not None:
        by = r["engine_over_upstream"]
        rows.append(_row("4. scoring / bare upstream", by, "<= 1.10", by["cpu"] <= 1.1))
    return table(["ratio", "CPU", "wall", "aim", "met"], rows)


def peers(results: Dict[str, Any]) -> str:
    """Clips a second of each model."""
    r = results["peers"]
    rows = [
        [name, r["versions"].get(name, ""), f"{rate:.2f}"]
        for name, rate in r["clips_a_cpu_second"].items()
    ]
    rows += [[name, f"not run: {why}", ""] for name, why in r["missing"].items()]
    return table(["model", "version", "clips a CPU second"], rows)


def engines(results: Dict[str, Any]) -> str:
    """What a user of each scorer pays."""
    r = results["engines"]
    names = {
        "torch": "DistilMOS, Whisper tiny.en, torch",
        "float32": "the same, ONNX float32",
        "weights8": "the same, ONNX weights8",
        "int8": "the same, ONNX int8",
    }
    columns = (
        *(("environment_mb", ".0f"), ("model_mb", ".0f"), ("first_score_cpu_s", ".2f")),
        *(("clips_a_cpu_s", ".1f"), ("peak_mb", ".0f")),
    )
    rows = [
        [
            names.get(row, row),
            *(f"{f[k]:{form}}" if k in f else "" for k, form in columns),
        ]
        for row, f in r["figures"].items()
    ]
    rows += [[name, f"not run: {why}", *[""] * 4] for name, why in r["missing"].items()]
    heads = ["environment MB", "model MB", "first score CPU s", "clips a CPU second"]
    return table(["scorer", *heads, "peak MB"], rows)


def startup(results: Dict[str, Any]) -> str:
    """Seconds of each command on next to nothing."""
    seconds = results["startup"]["seconds"]
    rows = [[n, f"{t['cpu']:.1f}", f"{t['wall']:.1f}"] for n, t in seconds.items()]
    return table(["command", "CPU s", "wall s"], rows)


def growth(results: Dict[str, Any]) -> str:
    """The powers."""
    rows = [
        [c["what"], name, f"{c['x'][0]:.3g} to {c['x'][-1]:.3g}", f"{c['slope']:.2f}"]
        for name, c in results["growth"]["curves"].items()
    ]
    return table(["cost of", "grows with", "range", "power"], rows)


def extrapolation(results: Dict[str, Any]) -> str:
    """Disk of SOMOS with WavLM large, from bytes a frame measured on a small run."""
    r = results["tokenization"]
    n, layers, size = r["n_frames"], r["layers"], r["hidden_size"]
    a_frame = r["disk_bytes"]["frames"] / (n * layers * size)
    a_token = r["disk_bytes"]["tokens"] / (n * layers)
    frames = a_frame * LARGE["frames"] * LARGE["layers"] * LARGE["hidden"] / 1e9
    tokens = a_token * SOMOS_HOURS * 3600 * 50 * LARGE["layers"] / 1e9
    one = a_frame * LARGE["frames"] * LARGE["hidden"] / 1e9
    return table(
        ["what", "measured", "SOMOS, WavLM large"],
        [
            [
                "frames kept (stage 2)",
                f"{a_frame:.2f} bytes a value",
                f"{frames:.1f} GB",
            ],
            ["the same while it is combined", "twice that", f"{2 * frames:.1f} GB"],
            [
                "k-means, memory of a job",
                "one layer's frames",
                f"{one:.2f} GB and little",
            ],
            ["tokens (stage 3)", f"{a_token:.2f} bytes a token", f"{tokens:.2f} GB"],
        ],
    )


def machine(results: Dict[str, Any]) -> str:
    """Where it ran."""
    m = results["machine"]
    took = {
        name: value["took_seconds"]
        for name, value in results.items()
        if isinstance(value, dict) and "took_seconds" in value
    }
    rows = [[key, value] for key, value in m.items()]
    rows.append(["seconds in all", f"{sum(took.values()):.0f}"])
    return table(["machine", ""], rows)


def tables(results: Dict[str, Any]) -> Dict[str, str]:
    """Name -> table, of what was run."""
    made = {"machine": machine(results), "aims": aims(results)}
    for name, make, needs in (
        ("peers", peers, "peers"),
        ("engines", engines, "engines"),
        ("startup", startup, "startup"),
        ("growth", growth, "growth"),
        ("extrapolation", extrapolation, "tokenization"),
    ):
        if needs in results:
            made[name] = make(results)
    return made


def write_into(page: Path, made: Dict[str, str]) -> None:
    """Replace the tables in a page.

    Raises:
        SystemExit: the page has no place for one of them.
    """
    text = page.read_text(encoding="utf-8")
    for name, content in made.items():
        start = f"<!-- benchmark {name} -->\n"
        before, found, rest = text.partition(start)
        _, end, after = rest.partition("<!-- end -->")
        if not found or not end:
            raise SystemExit(f"{page}: no place for the table {name}")
        text = f"{before}{start}{content}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


def plot_growth(curves: Dict[str, Any], path: Path) -> None:
    """CPU seconds over sizes, each relative to its first point, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name, curve in curves.items():
        x = [value / curve["x"][0] for value in curve["x"]]
        y = [value / curve["cpu"][0] for value in curve["cpu"]]
        label = f"{curve['what']} over {name}: power {curve['slope']:.2f}"
        ax.loglog(x, y, "o-", label=label, base=2)
    ax.set_xlabel("size, relative to the smallest")
    ax.set_ylabel("CPU time, relative")
    ax.legend(fontsize=7)
    fig.savefig(path, dpi=150)
