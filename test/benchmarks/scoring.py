#!/usr/bin/env python3
"""How long scoring takes: our engine against the usual loop, and the bare upstream.

In one run, over the same files and the same random weights:

- engine: `DistilMOSInference.score_files`, what `distilmos score` does, with reading;
- padded: batches in file order, zero-padded, through S3PRL's own forward, then the
  same predictor;
- upstream: S3PRL's forward alone, clip by clip, no predictor, samples in memory.

Not a test: it takes minutes with --size base. Prints one line of JSON.
"""

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from common import TINY, WAVLM

SIZES = {"base": {}, "tiny": TINY}  # {}: WavLM base, as S3PRL's configuration has it


def get_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--n_clips", type=int, default=32)
    parser.add_argument("--min_seconds", type=float, default=1.0)
    parser.add_argument("--max_seconds", type=float, default=10.0)
    parser.add_argument("--batch_size", type=int, default=32, help="Of the padded loop")
    parser.add_argument("--batch_seconds", type=float, help="Of the engine")
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--skip_padded", action="store_true", help="It needs many GB of memory"
    )
    return parser


def make_model(folder: Path, size: str) -> None:
    """config.yaml, model.pth and upstream.pt with random weights."""
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.model.upstream.checkpoint import write_random_wavlm

    write_random_wavlm(folder / "upstream.pt", 0, {**WAVLM, **SIZES[size]})
    conf = {"upstream": "wavlm_local", "path_or_url": str(folder / "upstream.pt")}
    network = build_network(conf, "distilmos", {})
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "model.pth")
    config = {"upstream_conf": conf, "predictor": "distilmos", "predictor_conf": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def make_clips(folder: Path, args) -> list:
    """Noise files of mixed lengths, the lengths in no order."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(args.n_clips):
        n = int(rng.uniform(args.min_seconds, args.max_seconds) * 16000)
        paths.append(folder / f"{i:03d}.wav")
        noise = 0.1 * rng.standard_normal(n)
        soundfile.write(paths[-1], noise.astype(np.float32), 16000)
    return paths


class Stopwatch:
    """Times of the parts of a run, in seconds: by the wall, and of this process's CPU.

    The second is the fairer one on a machine that others use too.
    """

    def __init__(self, device: str):
        self.device = device
        self.wall, self.cpu = {}, {}

    @contextlib.contextmanager
    def part(self, name: str):
        """Measure the block."""
        start = self._now()
        yield
        wall, cpu = (b - a for a, b in zip(start, self._now()))
        self.wall[name], self.cpu[name] = wall, cpu

    def _now(self):
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def ratio(self, a: str, b: str) -> dict:
        """Part a over part b."""
        return {
            "wall": round(self.wall[a] / self.wall[b], 3),
            "cpu": round(self.cpu[a] / self.cpu[b], 3),
        }


@torch.inference_mode()
def main(cmd=None) -> None:
    """Measure and print."""
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(args.num_threads)
    from s3prl.upstream.wavlm.hubconf import wavlm_local

    from espnet2_distilmos.inference.engine import DistilMOSInference
    from espnet2_distilmos.model.upstream.checkpoint import quiet_s3prl

    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        make_model(folder, args.size)
        paths = make_clips(folder, args)
        engine = DistilMOSInference(
            folder / "config.yaml",
            folder / "model.pth",
            device=args.device,
            batch_seconds=args.batch_seconds,
        )
        with quiet_s3prl():
            expert = wavlm_local(ckpt=str(folder / "upstream.pt"))
        expert = expert.to(args.device).eval()
        predictor = engine.network.predictor

        def read(path):
            return torch.from_numpy(soundfile.read(path, dtype="float32")[0])

        clips = [read(path).to(args.device) for path in paths]
        expert([clips[0]])  # the first forward of a process is slow
        engine(clips[0])

        watch = Stopwatch(args.device)
        with watch.part("engine"):
            results = list(engine.score_files(paths))
        with watch.part("upstream"):
            for clip in clips:
                expert([clip])
        scores = []
        if not args.skip_padded:
            with watch.part("padded"):
                for first in range(0, len(paths), args.batch_size):
                    batch = [read(p) for p in paths[first : first + args.batch_size]]
                    n = torch.tensor([len(clip) for clip in batch])
                    # S3PRL pads; its states: the input of block 1, then one a block.
                    on_device = [clip.to(args.device) for clip in batch]
                    states = expert(on_device)["hidden_states"][1:]
                    frames = ((n - 400) // 320 + 1).to(args.device)
                    scores += predictor(states, frames).mos.tolist()

    figures = {
        "size": args.size,
        "audio_seconds": round(sum(r["seconds"] for r in results), 1),
        "wall_seconds": {k: round(v, 2) for k, v in watch.wall.items()},
        "cpu_seconds": {k: round(v, 2) for k, v in watch.cpu.items()},
        "engine_over_upstream": watch.ratio("engine", "upstream"),
    }
    if scores:
        off = max(abs(r["mos"] - s) for r, s in zip(results, scores))
        figures["padded_over_engine"] = watch.ratio("padded", "engine")
        figures["largest_error_of_padded_mos"] = round(off, 4)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
