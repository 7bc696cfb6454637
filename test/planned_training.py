"""A training that is asked for, and its files; nothing is trained."""

from espnet2_distilmos.train.identity import (
    training_request,
)


class Training:
    """A recipe folder with the files that a training reads, and its options."""

    def __init__(self, root):
        self.root = root
        files = {
            "conf/train.yaml": "optim_conf:\n    lr: 0.001\n",
            "conf/up.yaml": "upstream: wavlm_local\npath_or_url: up.pt\n",
            "up.pt": "weights",
            "init.pth": "more weights",
            "tok/provenance.yaml": "n_clusters: 8\nlayers: [1, 2]\nmade: 2026-11-01\n",
        }
        for part, utts in (("train", "ab"), ("valid", "c")):
            files[f"raw/{part}/wav.scp"] = "".join(
                f"{u} {root}/{u}.wav\n" for u in utts
            )
            files[f"raw/{part}/format.yaml"] = f"audio_sha256: audio-{part}\n"
            files[f"raw/{part}/utt2mos"] = "".join(f"{u} 3.5\n" for u in utts)
            files[f"raw/{part}/utt2sys_id"] = "".join(f"{u} 0\n" for u in utts)
            files[f"stats/{part}/speech_shape"] = "".join(f"{u} 160\n" for u in utts)
            files[f"tok/{part}/tokens.ark"] = f"tokens of {utts}"
            files[f"tok/{part}/tokens.scp"] = "".join(
                f"{u} {root}/tok/{part}/tokens.ark:{i}\n" for i, u in enumerate(utts)
            )
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def data(self, part):
        raw, tokens = self.root / "raw" / part, self.root / "tok" / part
        return [
            (f"{raw}/wav.scp", "speech", "sound"),
            (f"{raw}/utt2mos", "mos", "text_float"),
            (f"{raw}/utt2sys_id", "system", "text_int"),
            (f"{tokens}/tokens.scp", "tokens", "kaldi_ark"),
        ]

    def request(self, processes=1, **more):
        """As :func:`training_request` makes it, `more` options changed."""
        args = {
            **{f"{p}_data_path_and_name_and_type": self.data(p) for p in PARTS},
            **{
                f"{p}_shape_file": [f"{self.root}/stats/{p}/speech_shape"]
                for p in PARTS
            },
            "upstream_config": f"{self.root}/conf/up.yaml",
            "upstream_conf": {},
            "token_provenance": f"{self.root}/tok/provenance.yaml",
            "token_conf": {},
            "output_dir": f"{self.root}/exp",
            "init_param": [],
            "ngpu": 0,
            "num_threads": 1,
            "num_workers": 2,
            "max_epoch": 3,
            "seed": 0,
            "optim_conf": {"lr": 0.001},
            "predictor_conf": {"strides": [1]},
            "best_model_criterion": [("valid", "srcc", "max")],
            **more,
        }
        return training_request(args, processes)

    def words(self):
        """A command line with these files."""
        words = ["--config", f"{self.root}/conf/train.yaml"]
        words += ["--upstream_config", f"{self.root}/conf/up.yaml"]
        for part in PARTS:
            for triple in self.data(part):
                words += [f"--{part}_data_path_and_name_and_type", ",".join(triple)]
            shape = f"{self.root}/stats/{part}/speech_shape"
            words += [f"--{part}_shape_file", shape]
        return [*words, "--output_dir", f"{self.root}/exp", "--seed", "0"]


PARTS = ("train", "valid")
