#!/usr/bin/env python3
"""ESPnet's trainer with our loader against a bare loop over batches in memory.

Each epoch is trained by ESPnet's trainer (reading, collating, clipping, statistics,
log), then by the loop (forward, backward, clipping, step), with the same model and
optimiser over the same batches. Prints one line of JSON.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

import torch
from common import make_set, upstream_conf


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.train.stats import collect_stats
    from espnet2_distilmos.train.trainer import DistilMOSTrainer
    from espnet2_distilmos.utils.files import write_yaml

    torch.set_num_threads(1)
    times = {"espnet": [], "bare": []}

    class Timed(DistilMOSTrainer):
        @classmethod
        def train_one_epoch(cls, model, iterator, optimizers, **kwargs):
            def bare():
                for batch in batches:
                    optimizers[0].zero_grad()
                    model(**batch)["loss"].backward()
                    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    optimizers[0].step()

            def espnet():
                return DistilMOSTrainer.train_one_epoch.__func__(
                    cls, model, iterator, optimizers, **kwargs
                )

            batches = [batch for _, batch in iterator]
            model.train()
            results = {}
            for name, work in (("espnet", espnet), ("bare", bare)):
                wall, cpu = time.perf_counter(), time.process_time()
                results[name] = work()
                times[name].append(
                    (time.perf_counter() - wall, time.process_time() - cpu)
                )
            return results["espnet"]

    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        raw = make_set(folder / "set", 16 if args.quick else 120, 2, 4)
        collect_stats(raw, folder / "stats")
        conf = upstream_conf(folder, "tiny")
        write_yaml(folder / "tiny.yaml", conf)
        options = [
            *["--output_dir", str(folder / "exp"), "--ngpu", "0"],
            *["--upstream_config", str(folder / "tiny.yaml")],
            *["--loss_conf", "token_weight=0", "--max_epoch", "3"],
            *["--batch_type", "numel", "--batch_bins", "200000"],
            *["--num_workers", "1", "--grad_clip", "1.0"],
            *["--optim", "adamw", "--optim_conf", "lr=0.0001"],
            *["--num_att_plot", "0", "--use_matplotlib", "false"],
            *["--log_interval", "20", "--best_model_criterion", "valid,srcc,max"],
        ]
        for part in ("train", "valid"):
            data = f"--{part}_data_path_and_name_and_type"
            options += [data, f"{raw}/wav.scp,speech,sound"]
            options += [data, f"{raw}/utt2mos,mos,text_float"]
            options += [f"--{part}_shape_file", f"{folder}/stats/speech_shape"]
        DistilMOSTask.trainer = Timed
        with contextlib.redirect_stdout(io.StringIO()):
            DistilMOSTask.main(cmd=options)
    # The first epoch warms up.
    pairs = list(zip(times["espnet"], times["bare"]))[1:]
    total = {
        name: {
            kind: sum(pair[side][i] for pair in pairs)
            for i, kind in enumerate(("wall", "cpu"))
        }
        for side, name in enumerate(("espnet", "bare"))
    }
    ratios = {k: total["espnet"][k] / total["bare"][k] for k in ("wall", "cpu")}
    print(json.dumps({"size": "tiny", "seconds": total, "espnet_over_bare": ratios}))


if __name__ == "__main__":
    main()
