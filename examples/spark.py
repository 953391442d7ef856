"""Scores images with Spark.

A Scorer is a function of Arrow batches. It is the body of Spark's mapInArrow. Ray and plain Python
call the same function.

pip install 'govpn[cpu]' pyspark 'pandas<3', and Java 17
python examples/spark.py [--images 10000] [--master 'local[2]'] [--device go|cpu|auto]
"""

import argparse
import os
import sys

import govpn
import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession


def frame(spark, images):
    """Returns a Spark frame. Spark has no uint8, so the pixels of an image are bytes."""
    pixels = [image.tobytes() for image in images]
    return spark.createDataFrame(pa.table({"id": np.arange(len(images)), "image": pixels}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--master", default="local[2]", help="Spark's, for example spark://host:7077")
    parser.add_argument("--device", default="go")
    args = parser.parse_args()

    X, y = govpn.datasets.fashion_mnist("train", download=True)
    clf = govpn.VPNClassifier("sr", "dnn3", epochs=5, device=args.device, random_state=0, verbose=0)
    clf.fit(X[:2000], y[:2000])
    images = X[-args.images :]

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # for the executors, which need govpn
    spark = SparkSession.builder.master(args.master).appName("govpn").getOrCreate()

    # A task of Spark's has one core, so the model gets one thread. Spark knows lists, but no tensors.
    spark_options = {"raw": True, "tensors": False, "threads": 1, "device": args.device}
    scorer = govpn.Scorer(clf, {"label": "predicted", "proba": "proba", "std": "sigma"}, **spark_options)
    schema = "id long, predicted long, proba array<float>, sigma array<float>"
    scored = frame(spark, images).repartition(8).mapInArrow(scorer.map, schema)
    found = scored.orderBy("id").toArrow()

    # The same in this process, to compare.
    proba, labels = clf.predict_proba(images), clf.predict(images)
    sigma = clf.noise_std(images, labels)
    assert found["id"].to_numpy().tolist() == list(range(len(images)))
    assert (found["predicted"].to_numpy() == labels).all()
    for name, want in (("proba", proba), ("sigma", sigma)):
        values = found[name].combine_chunks().flatten().to_numpy().reshape(want.shape)
        np.testing.assert_allclose(values, want, atol=1e-5)
    accuracy = (found["predicted"].to_numpy() == y[-args.images :]).mean()
    print(f"{len(found)} images scored by Spark, equal to the local result; accuracy {accuracy:.3f}")
    spark.stop()


if __name__ == "__main__":
    main()
