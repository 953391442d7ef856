"""Measures what Ray and Spark cost beside one process on this machine: python bench/scaling.py [--device go]

It needs pip install 'govpn[ray]' pyspark 'pandas<3'. Seconds are those of the clock. If workers
share the cores that one process has, the figures show the overhead only. start is the engine's
start with a first 1,024 images.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import govpn
import numpy as np
import pyarrow as pa

CORES = len(os.sched_getaffinity(0))


def timed(work):
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def problem(images, device):
    """Returns random images of ten classes, and a trained model."""
    X = np.random.default_rng(0).integers(0, 256, (images, 28, 28, 1), np.uint8)
    y = X[:, 0, 0, 0] % 10
    clf = govpn.VPNClassifier("dnn3", "dnn3", epochs=1, device=device, random_state=0, verbose=0)
    return X, y, clf.fit(X[:2048], y[:2048])


def here(X, clf, device, size=1024):
    """Scores batches in this process, with all its cores."""
    scorer = govpn.Scorer(clf, device=device)
    table = pa.table({"id": np.arange(len(X)), "image": govpn.to_arrow(X)})
    _, start = timed(lambda: scorer(table.slice(0, size)))
    _, seconds = timed(
        lambda: [len(b) for b in scorer.map(table.slice(i, size) for i in range(0, len(X), size))]
    )
    return {"what": "one process", "start": start, "score": seconds}


def by_ray(X, clf, device):
    import ray

    def begin():
        ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False

    def score(count):
        table = pa.table({"id": np.arange(count), "image": govpn.to_arrow(X[:count])})
        blocks = [table.slice(i, 8192) for i in range(0, count, 8192)]
        scored = govpn.ray.predict_batches(ray.data.from_arrow(blocks), clf, device=device, workers=CORES)
        return scored.materialize().count()

    _, start = timed(begin)
    _, first = timed(lambda: score(1024))
    _, seconds = timed(lambda: score(len(X)))
    return {"what": f"Ray Data, {CORES} actors", "start": start + first, "score": seconds}


def by_spark(X, clf, device):
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
    spark, start = timed(lambda: builder.config("spark.driver.memory", "4g").getOrCreate())
    scorer = govpn.Scorer(
        clf, {"label": "predicted", "proba": "proba"}, raw=True, tensors=False, threads=1, device=device
    )

    def score(count):
        frame = spark.createDataFrame(
            pa.table({"id": np.arange(count), "image": [x.tobytes() for x in X[:count]]})
        )
        scored = frame.repartition(CORES).mapInArrow(
            scorer.map, "id long, predicted long, proba array<float>"
        )
        return scored.toArrow().num_rows

    _, first = timed(lambda: score(1024))
    _, seconds = timed(lambda: score(len(X)))
    spark.stop()
    return {"what": f"Spark, local[{CORES}]", "start": start + first, "score": seconds}


def training(X, y, device, storage):
    """Trains on the same batches in one process with all cores, and with as many workers of one core."""
    rows = []
    params = {"epochs": 4, "batch_size": 256, "device": device, "random_state": 0, "verbose": 0}
    for workers in (1, CORES):
        clf = govpn.VPNClassifier("dnn3", "dnn3", **params)
        if workers == 1:
            _, seconds = timed(lambda clf=clf: clf.fit(X, y))
        else:
            _, seconds = timed(lambda clf=clf: govpn.ray.fit(clf, X, y, workers=CORES, storage_path=storage))
        epochs = clf.history_["seconds"]
        size = sum(clf.__govpn_fitted__().describe()["parameters"].values())
        rows.append(
            {
                "what": f"{workers} worker(s)",
                "total": seconds,
                "epoch": statistics.median(epochs[1:]),
                "loss": clf.history_["loss"][-1],
                "MB_per_step": 4 * size / 1e6 if workers > 1 else 0,
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="go")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--out", default="build/bench")
    args = parser.parse_args()
    X, y, clf = problem(args.images, args.device)
    out = Path(args.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    results = {"cores": CORES, "load": os.getloadavg()[0], "device": args.device, "images": len(X)}
    results["scoring"] = [way(X, clf, args.device) for way in (here, by_ray, by_spark)]
    results["training"] = training(X[:10240], y[:10240], args.device, str(out / "ray"))
    (out / "scaling.json").write_text(json.dumps(results, indent=1))
    for row in results["scoring"] + results["training"]:
        print(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
