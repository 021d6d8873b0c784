"""Fetching one file from a list of mirrors into a folder, all or nothing.

One idea: bytes are checked before they get a name. A mirror that fails, or sends anything but the right bytes, is
passed over for the next; the folder only ever holds whole, checked files. Read `mnist.py` next.
"""

from __future__ import annotations

import os
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from .idx import DataError

__all__ = ["fetch", "open_https"]

Opener = Callable[[str], Any]  # url -> a response, as urllib gives it

_SILENCE = 20.0  # seconds without a byte after which a mirror is given up
_LIMIT = 16 << 20  # bytes; the largest file of MNIST has 10 million
_DEADLINE = 300.0  # seconds for one file from one mirror


def open_https(url: str) -> Any:
    """A response from `url`; anything but https is refused, also where a server redirects to it."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener.open(url, timeout=_SILENCE)


def fetch(
    path: Path, mirrors: Sequence[str], check: Callable[[bytes, str], object], open_url: Opener = open_https
) -> None:
    """Fetch the file called as `path` from the first of `mirrors` (addresses of folders) that has it, and store it
    there.

    `check` is called with the bytes and their address, and raises DataError on wrong ones. Raises DataError, with
    each mirror's failure, when none gave the file, and when the folder cannot be written.
    """
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{path.name}"
        try:
            data = _download(url, open_url)
            check(data, url)
        except (OSError, HTTPException, DataError) as error:
            text = str(error)
            failures.append(text if url in text else f"{url} failed ({text or type(error).__name__}).")
            if isinstance(error, HTTPError):
                error.close()  # it holds the server's answer
            continue
        _store(data, path)
        return
    raise DataError(f"{path.name} could not be fetched: {' '.join(failures) or 'no mirror was named.'}")


def _download(url: str, open_url: Opener) -> bytes:
    deadline = time.monotonic() + _DEADLINE
    parts: list[bytes] = []
    size = 0
    with open_url(url) as response:
        while part := response.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _LIMIT:
                raise DataError(f"{url} sent more than {_LIMIT} bytes.")
            if time.monotonic() > deadline:
                raise DataError(f"{url} took longer than {_DEADLINE:.0f} s.")
    return b"".join(parts)


def _store(data: bytes, path: Path) -> None:
    """Write `data` under a passing name in the same folder, then rename: a kill or a full disk leaves no half file."""
    try:
        for folder in [*reversed(path.parent.parents), path.parent]:
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}): make room or grant the right, "
            "or name another folder in XDG_CACHE_HOME."
        ) from None
