"""Whether a run has still the data and the settings that it began with.

One idea: both are files that somebody may edit, so a run keeps a digest of the data in its run.json and its settings in
its checkpoint; whoever goes on with it asks here before anything is written. Read `run.py` next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import Config, ConfigError, DataConfig
from .history import flat

__all__ = ["check_data", "check_settings", "plain"]

# What may be others when a run goes on: they do not decide what it computes, or only to rounding.
_FREE = {"name", "device", "threads", "stop.time_limit", "fit.start_from", "fit.compile"}
_FREE |= {"fit.log_every", "fit.checkpoint_seconds", "fit.checkpoint_steps"}


def check_data(run: Mapping[str, Any], digest: str | None, config: DataConfig, folder: Path) -> None:
    """Raise ConfigError where the run in `folder`, of this run.json, had other data; older ones do not say."""
    before = run.get("data_digest")
    if before is not None and before != digest:
        raise ConfigError(
            f"the data in {config.source} are others than the run in {folder} began with: put those back, or train "
            "anew."
        )


def check_settings(state: Mapping[str, Any], config: Config, digest: str | None, folder: Path) -> None:
    """Raise ConfigError where run.json in `folder` asks for other settings than those of the checkpoint's `state`.

    Data that have a digest may lie elsewhere now. Older checkpoints do not say.
    """
    before, now = dict(flat(state.get("config") or {})), dict(flat(plain(config)))
    free = _FREE if digest is None else _FREE | {"data.source"}
    for key, value in now.items():
        if key not in free and value != before.get(key, value):
            raise ConfigError(
                f"{folder}/run.json says {key} = {json.dumps(value)}, and its checkpoint was made with "
                f"{json.dumps(before[key])}: put that back, or train anew."
            )


def plain(config: Config) -> dict[str, Any]:
    """The settings as a file gives them back: lists where there are tuples."""
    found: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return found
