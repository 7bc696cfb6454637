"""What the benchmarks share: pairs timed in turn, the machine, made-up corpora."""

import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import soundfile

# As in test/benchmarks/scoring.py: `base` is WavLM base, `tiny` 4 layers of 128.
TINY = {
    "conv_feature_layers": "[(64,10,5)] + [(64,3,2)] * 4 + [(64,2,2)] * 2",
    "encoder_layers": 4,
    "encoder_embed_dim": 128,
    "encoder_ffn_embed_dim": 512,
    "encoder_attention_heads": 4,
}
WAVLM = {
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
}
PACKAGES = ("torch", "espnet", "espnet-s3prl", "transformers", "scikit-learn", "numpy")


def upstream_conf(folder: Path, size: str, **more: Any) -> Dict[str, Any]:
    """Configuration of a WavLM with random weights, `base` or `tiny`."""
    config = {**WAVLM, **({} if size == "base" else TINY), **more}
    name = "_".join([size, *(f"{k}{v}" for k, v in more.items())])
    return {
        "upstream": "wavlm_local",
        "path_or_url": str(folder / f"{name}.pt"),
        "random_init": {"seed": 0, "config": config},
    }


def make_set(folder: Path, n_clips: int, low: float, high: float, seed: int = 0):
    """A formatted set of noise, `low` to `high` seconds a clip; returns its folder."""
    from espnet2_distilmos.corpora.format_audio import format_audio
    from espnet2_distilmos.utils.datadir import DataDir

    rng = np.random.default_rng(seed)
    wavs, mos, systems = {}, {}, {}
    (folder / "wav").mkdir(parents=True)
    for i in range(n_clips):
        utt = f"u{i:05d}"
        wavs[utt] = str(folder / f"wav/{utt}.wav")
        noise = 0.1 * rng.standard_normal(int(rng.uniform(low, high) * 16000))
        soundfile.write(wavs[utt], noise.astype(np.float32), 16000)
        mos[utt] = float(rng.uniform(1, 5))
        systems[utt] = f"s{i % 10}"
    DataDir(wavs, mos, systems).save(folder / "data")
    format_audio(folder / "data", folder / "raw")
    return folder / "raw"


def measure(parts: Dict[str, Callable[[], Any]], rounds: int) -> Dict[str, Dict]:
    """Run all parts in turn, `rounds` times; medians of wall and CPU seconds.

    In turn, so that what else the machine does meets all of them alike. CPU time is
    that of this process alone.
    """
    times: Dict[str, List] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, work in parts.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: {
            "wall": statistics.median(wall for wall, _ in pairs),
            "cpu": statistics.median(cpu for _, cpu in pairs),
        }
        for name, pairs in times.items()
    }


def ratio(seconds: Dict[str, Dict], a: str, b: str) -> Dict[str, float]:
    """Part a over part b, by the wall and by CPU time."""
    return {kind: seconds[a][kind] / seconds[b][kind] for kind in ("wall", "cpu")}


def machine() -> Dict[str, Any]:
    """Processor, cores, memory and versions."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import torch

    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 1e9, 1),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        **{name: metadata.version(name) for name in PACKAGES},
    }
