"""Ways to spoil a file: each a function of its path."""

import torch
import yaml


class Harm:
    """Unpickled, it would leave the file `harm` in the current folder."""

    def __reduce__(self):
        return (open, ("harm", "w"))


CODE = "[open('harm', 'w')] and [(8, 10, 5)]"


def text(content):
    return lambda path: path.write_text(content)


def keys(**changes):
    """The good YAML with other values; None removes a key."""

    def write(path):
        content = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            content[key] = value
            if value is None:
                del content[key]
        path.write_text(yaml.safe_dump(content))

    return write


def checkpoint(content):
    def write(path):
        torch.save(content, path)

    return write


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
