"""Stage 2: a sample of frames of every layer of the frozen upstream."""

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import torch
from tqdm import tqdm

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import checkpoint_sha256
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.utils.audio import read_16k
from espnet2_distilmos.utils.datadir import read_floats, read_wav_scp
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp


def choose_frames(utt: str, n_frames: int, share: float, seed: int) -> np.ndarray:
    """Positions of the frames of a clip that k-means sees, rising.

    Seeded by the clip's ID, so that neither order nor number of jobs matters.

    Args:
        utt: ID of the clip.
        n_frames: frames that it has.
        share: part of all frames that is wanted, in (0, 1].
        seed: of the sample.
    """
    digest = hashlib.sha256(f"{seed} {utt}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
    # A fractional quota is rounded at random, so that short clips count as much.
    quota = min(int(n_frames * share + rng.random()), n_frames)
    return np.sort(rng.choice(n_frames, quota, replace=False))


@torch.inference_mode()
def hidden_states(upstream: UpstreamAdapter, path: str) -> List[torch.Tensor]:
    """One (T, D) tensor a layer, of one file, on the upstream's device."""
    device = next((p.device for p in upstream.parameters()), torch.device("cpu"))
    speech = torch.from_numpy(read_16k(path)).to(device)
    states, _ = upstream(speech[None], torch.tensor([len(speech)], device=device))
    return [state[0] for state in states]


def load_frozen(conf: UpstreamConfig, device: str) -> UpstreamAdapter:
    """The pretrained upstream in eval mode, without gradients."""
    return build_upstream(conf).to(device).eval().requires_grad_(False)


def request_of(conf: UpstreamConfig) -> Dict[str, Any]:
    """What the hidden states depend on, without loading the upstream."""
    keys = (
        *("upstream", "path_or_url", "extra_conf", "layers"),
        *("normalize", "normalize_waveform"),
    )
    request = {key: value for key, value in conf.to_dict().items() if key in keys}
    return {**request, "checkpoint_sha256": checkpoint_sha256(conf.path_or_url)}


def dump_frames(
    data_dir: PathLike,
    conf: UpstreamConfig,
    output_dir: PathLike,
    max_frames: int = 200_000,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Write `layer_NN.npy`, (n, D) float32, for every layer, and `frames.yaml`.

    One pass over the audio, one clip at a time. Memory: one clip; disk: at most
    about max_frames x layers x D x 4 bytes.

    Args:
        data_dir: formatted training set, with `wav.scp` and `utt2num_samples`.
        conf: the upstream.
        output_dir: folder to write.
        max_frames: about how many frames a layer are kept.
        seed: of the sample.
        device: `cpu`, `cuda`, `cuda:1`...
    """
    data_dir, output_dir = Path(data_dir), Path(output_dir)
    wavs = read_wav_scp(data_dir / "wav.scp")
    with folder_lock(output_dir):
        request = {
            "upstream": request_of(conf),
            "wav_scp_sha256": sha256_file(data_dir / "wav.scp"),
            "max_frames": max_frames,
            "seed": seed,
        }
        if is_whole(output_dir / "frames.yaml", request):
            return
        upstream = load_frozen(conf, device)
        request["upstream"] = request_of(conf)  # the checkpoint may be new
        samples = read_floats(data_dir / "utt2num_samples")
        expected = sum(samples.values()) / upstream.downsample
        share = min(1.0, max_frames / expected)
        counts = _write_layers(
            upstream, wavs, output_dir, expected * share, share, seed
        )
        write_stamp(
            output_dir / "frames.yaml",
            request,
            fingerprint=upstream.fingerprint,
            layers=list(upstream.layers),
            n_frames=sum(counts.values()),
            n_clips=len(counts),
        )
        logging.info(
            f"{output_dir}: {sum(counts.values())} frames of {len(upstream.layers)} "
            f"layers kept, {100 * share:.1f} % of {len(wavs)} clips"
        )


def _write_layers(upstream, wavs, output_dir, expected, share, seed) -> Dict[str, int]:
    """Fill one memory-mapped array a layer; return the frames taken of each clip."""
    counts: Dict[str, int] = {}
    # Random rounding makes the total uncertain by some root of the number of clips.
    room = int(expected + 10 * len(wavs) ** 0.5 + 10)
    with contextlib.ExitStack() as stack:
        paths = [
            stack.enter_context(atomic_path(layer_file(output_dir, layer)))
            for layer in upstream.layers
        ]
        raw = [
            np.memmap(path, np.float32, "w+", shape=(room, upstream.hidden_size))
            for path in paths
        ]
        filled = 0
        for utt, path in tqdm(wavs.items(), desc="layer frames", disable=None):
            states = hidden_states(upstream, path)
            chosen = choose_frames(utt, len(states[0]), share, seed)[: room - filled]
            index = torch.from_numpy(chosen)
            for array, state in zip(raw, states):
                array[filled : filled + len(chosen)] = state.cpu()[index].numpy()
            filled += len(chosen)
            counts[utt] = len(chosen)
        for path, array in zip(paths, raw):
            content = np.array(array[:filled])
            with open(path, "wb") as f:
                np.save(f, content, allow_pickle=False)
    return counts
