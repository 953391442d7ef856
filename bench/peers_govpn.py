"""govpn as a contestant of run.py, through its Python package: peers_govpn.py JOB.

A training round is fit(resume=True) of one more epoch. Its seconds are those of history_: the steps
with their batches and nothing else, as the other contestants count them. What every fit() does once
(upload, look-up) is left out there and counted in first_s. An inference round is one call of
predict.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings

import govpn
from rows import CONFIG
from worker import clock, data, job, serve

MODES = {"joint": "joint", "frozen": "frozen", "none": "plain", "classwise": "joint"}

FOLDER = tempfile.TemporaryDirectory()  # kept until the end: every fit reads imported weights again


def classifier(job, **options):
    options = {k: job[k] for k in CONFIG} | {"mode": MODES[job["task"]]} | options
    options["compute_dtype"] = job["dtype"]
    return govpn.VPNClassifier(
        job["base"],
        job["generator"] or "dnn3",
        batch_size=job["batch"],
        **{"epochs": 1, "device": job["device"], "random_state": 0, "verbose": 0} | options,
    )


def write_weights(job, path):
    """Writes weights of one step on a few images. Device `go` trains them: it has nothing to compile."""
    images, labels = data(job | {"batch": max(4, job["classes"]), "batches": 1})
    mode = "plain" if job["task"] == "frozen" else MODES[job["task"]]
    clf = classifier(job, device="go", mode=mode, compute_dtype="float32").fit(images, labels)
    clf.export_safetensors(path, part="base" if mode == "plain" else None)


def with_weights(job):
    """Returns a classifier with weights. Another process makes them, so that its memory is not counted."""
    path = os.path.join(FOLDER.name, "weights.safetensors")
    subprocess.run([sys.executable, "-W", "ignore", __file__, json.dumps(job), path], check=True)
    return classifier(job).import_safetensors(path, job["shape"], job["classes"])


def training(job, images, labels):
    clf = with_weights(job) if job["task"] == "frozen" else classifier(job)
    epochs = 0

    def round_():
        nonlocal epochs
        epochs += 1
        start = clock()
        clf.set_params(epochs=epochs).fit(images, labels, resume=epochs > 1)
        wall, seconds = clock() - start, clf.history_["seconds"][-1]
        first = wall - seconds * (1 - 1 / job["batches"])  # without the steps after the first
        answer = {"seconds": seconds, "loss": clf.history_["loss"][-1]}
        return answer | ({"first_s": first} if epochs == 1 else {})

    return round_


def inference(job, images):
    clf = with_weights(job)

    def round_():
        start = clock()
        labels = clf.predict(images, noise=job["task"])
        seconds = clock() - start
        assert labels.shape == (len(images),), labels.shape
        return {"seconds": seconds, "loss": None}

    return round_


def device_peak(job):
    """Returns the MiB that nvidia-smi ascribes to this process, reserved memory included, or None."""
    if job["device"] != "cuda":
        return None
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        return (
            sum(float(m) for p, m in (x.split(",") for x in out.splitlines()) if int(p) == os.getpid())
            or None
        )
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def main():
    j = job()
    warnings.simplefilter("ignore", govpn.GovpnWarning)  # one step does not train the noise
    if len(sys.argv) > 2:
        write_weights(j, sys.argv[2])
        return
    images, labels = data(j)
    parameters = classifier(j).estimate_memory(j["shape"], j["classes"], len(images))[
        "parameters"
    ]  # opens the device
    round_ = training(j, images, labels) if j["trains"] else inference(j, images)
    plugin = next((d["plugin"] for d in govpn.devices() if d["device"] == j["device"]), "")
    version = f"govpn {govpn.__version__}, {os.path.basename(plugin) or 'pure Go'}"
    serve(version, parameters, round_, lambda: device_peak(j))


if __name__ == "__main__":
    main()
