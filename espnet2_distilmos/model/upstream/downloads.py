"""S3PRL's downloads: tried once, and not because a model's file says so."""

import contextlib
import http.client
import logging
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Iterator
from unittest import mock

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import atomic_path
from espnet2_distilmos.utils.network import (
    ALLOW,
    STALL,
    ConnectionRefused,
    brief,
    refused_hosts,
)


@contextlib.contextmanager
def s3prl_downloads(upstream: str) -> Iterator[None]:
    """Let S3PRL take from its cache what is there, and fetch the rest.

    Its own downloader tries twice, waits without end and leaves what is cut off.

    Args:
        upstream: the name that is being loaded, for errors.
    """
    import s3prl.util.download as theirs

    def download(
        filepath: Path, url: str, refresh: bool = False, new_enough_secs: float = 2.0
    ) -> None:
        refused = refused_hosts() is not None
        if filepath.is_file() and (refused or not refresh):
            return
        if refused:
            raise ConnectionRefused(not_here(upstream, url))
        from filelock import FileLock

        # Jobs that start at once: one fetches, the others wait for it.
        with FileLock(f"{filepath}.lock"):
            if not filepath.is_file() or (
                refresh and time.time() - filepath.stat().st_mtime > new_enough_secs
            ):
                fetch(url, filepath, upstream)

    with mock.patch.object(theirs, "_download", download):
        yield


def not_here(upstream: str, source: str) -> str:
    """Return what is said of a model whose upstream would have to be fetched.

    Args:
        upstream: its name.
        source: where it would come from.
    """
    return (
        f"its upstream {upstream} ({source}) is not on this machine, and scoring "
        "fetches nothing that a model's file names; take a packed model (pack-model, "
        f"where it was trained), or allow it with {ALLOW}=1"
    )


def fetch(url: str, path: Path, upstream: str) -> None:
    """Download a file under its name when it is whole.

    Raises:
        UserError: another address than http(s), no network, or a file that is cut off.
    """
    if not url.startswith(("https://", "http://")):
        raise UserError(
            f"upstream {upstream}: {url}: only http(s) addresses are fetched; give a "
            "file's name as path_or_url"
        )
    logging.info(f"Downloading {url} to {path}")
    request = urllib.request.Request(url, headers={"User-Agent": "torch.hub"})
    try:
        with (
            urllib.request.urlopen(request, timeout=STALL) as answer,
            atomic_path(path) as tmp,
        ):
            with open(tmp, "wb") as f:
                shutil.copyfileobj(answer, f, 1 << 20)
            expected = answer.headers.get("Content-Length")
            if expected is not None and int(expected) != tmp.stat().st_size:
                raise ConnectionError(f"broke off before {expected} bytes")
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise UserError(
            f"upstream {upstream}: its weights are not on this machine, and {url} "
            f"cannot be fetched ({brief(e)}); run this where there is a network, or "
            "name a copy of that file as path_or_url in the upstream's YAML"
        ) from e
