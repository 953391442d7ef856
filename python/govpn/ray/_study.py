"""The paper's tables, figures and searches, with their runs spread over Ray's workers."""

from __future__ import annotations

import os
from typing import Any

from .. import _lib, _params
from ..errors import ArgumentError
from ._import import ray_module


def study(
    what: str,
    *,
    workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    max_retries: int = 3,
    **options: Any,
) -> Any:
    """Calls a function of `govpn.repro` in several processes and returns its result.

    The processes share the function's folder and divide its runs. What has finished is never repeated.

    Parameters
    ----------
    what : str
        "table1" … "table4", "fig1", "fig3" … "fig6", "explain", "search" or "confirm".
    workers : int
        Number of processes. If there are more processes than runs, some have nothing to do.
    num_cpus, num_gpus : float
        Resources of each process. It computes with num_cpus threads (at least 1).
    max_retries : int
        How often a process that died begins again. Its run is taken up after two minutes.
    options
        Those of the function. With several machines, out and data must be folders that all of them see.

    Raises
    ------
    ImportError : without Ray
    ArgumentError : for a function that does not exist, and what the function raises

    Examples
    --------
    >>> sizes = {"seeds": 1, "epochs": 1, "images": 200, "eval_images": 50, "data": data}
    >>> where = {"datasets": ["fashion-mnist"], "bases": ["sr"], "rows": ["baseline", "random-noise"]}
    >>> report = govpn.ray.study("table1", **where, **sizes, out="study", device="go", verbose=False)
    >>> len(list(report.folder.glob("runs/*.json")))
    2
    """
    from .. import repro

    ray = ray_module()
    known = [n for n in repro.__all__ if n[0].islower() and n != "pack"]
    if what not in known:
        raise ArgumentError(f"what is {what!r}, want one of {', '.join(known)}")
    if _params.whole(workers, "workers") < 1:
        raise ArgumentError(f"workers is {workers}, want at least 1")
    folders = {"out": "govpn-repro"} | {k: v for k, v in options.items() if k in ("out", "data") and v}
    options |= {k: os.path.abspath(v) for k, v in folders.items()}  # a worker may be elsewhere
    threads = max(1, int(num_cpus))
    remote = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=max_retries)(_work)
    ray.get([remote.remote(what, options, threads) for _ in range(workers)])
    return getattr(repro, what)(**options | {"train": False})


def _work(what: str, options: dict[str, Any], threads: int) -> None:
    from .. import repro

    _lib.limit_threads(threads)
    getattr(repro, what)(**options | {"train": True})
