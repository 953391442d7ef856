"""Fashion-MNIST accuracy over seeds: chosen on validation data, reported on test data once.

    python bench/accuracy.py --out build/accuracy [--study choose|report] [--seeds 5] [--device auto]

Splits the training set 50,000 / 10,000 (stratified by seed), trains every configuration with every seed,
and keeps the epoch with the best validation accuracy. Each run writes one JSON file; finished runs are not
repeated. The report pairs VPN with its baseline by seed: same split, same order of batches, same initial
weights of the base.
"""

import argparse
import json
import time
from pathlib import Path

import govpn
import numpy as np
from govpn.repro._cell import Difference, spread

# What `choose` compares, on validation data only: the parametrisation of σ, λ, κ and the schedule.
CHOOSE = {
    f"{std}-lambda{weight}": {"base": "dnn3", "mode": "joint", "std": std, "base_loss_weight": weight}
    for std in ("abs", "bounded", "rms")
    for weight in (0.0, 1.0)
} | {
    "baseline": {"base": "dnn3", "mode": "plain"},
    "baseline-constant": {"base": "dnn3", "mode": "plain", "schedule": "constant"},
    "bounded-lambda0.0-kappa1": {"std": "bounded", "base_loss_weight": 0.0, "label_coefficient": 1.0},
    "abs-lambda0.0-kappa1": {"std": "abs", "base_loss_weight": 0.0, "label_coefficient": 1.0},
}

# What `report` trains: each base without noise, with VPN (the defaults), and the control that the paper
# lacks, Gaussian noise at the mean σ that VPN's generator had in the same seed's best epoch.
# sr, which learns slowly, gets the paper's 40 epochs.
REPORT = {
    f"{base}-{name}": {"base": base, **epochs, **options}
    for base, epochs in (("sr", {"epochs": 40}), ("dnn3", {}))
    for name, options in {
        "baseline": {"mode": "plain"},
        "vpn": {"mode": "joint"},
        "gaussian": {"mode": "gaussian", "fixed_std": "of VPN"},
    }.items()
}


def split(images, labels, seed, first=50_000):
    """Stratified: `first` images to train on and the rest to validate on."""
    from sklearn.model_selection import train_test_split

    return train_test_split(images, labels, train_size=first, random_state=seed, stratify=labels)


def run(name, options, seed, data, args):
    """Trains one configuration with one seed, or reads what it wrote before."""
    path = args.out / f"{name}-{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    if options.get("fixed_std") == "of VPN":
        options = options | {"fixed_std": run(f"{options['base']}-vpn", None, seed, data, args)["std_mean"]}
    (train, test), start = data, time.perf_counter()
    images, valid_images, labels, valid_labels = split(*train, seed)
    options = {"epochs": args.epochs} | options
    clf = govpn.VPNClassifier(**options, device=args.device, random_state=seed, verbose=0)
    clf.fit(images, labels, validation_data=(valid_images, valid_labels))
    best = int(np.argmax(clf.history_["val_accuracy"]))
    result = {
        "name": name,
        "seed": seed,
        "options": options,
        "epochs": len(clf.history_["epoch"]),
        "best_epoch": best + 1,
        "val_accuracy": clf.history_["val_accuracy"][best],
        "val_loss": clf.history_["val_loss"][best],
        "std_mean": clf.history_["std_mean"][best],
        "std_label_change": clf.evaluate(valid_images, valid_labels)["std_label_change"],
        "seconds": round(time.perf_counter() - start, 1),
        "device": clf.device_,
        "version": govpn.__version__,
    }
    if args.study == "report":
        result["test"] = clf.evaluate(*test)
        if options["mode"] == "joint":
            result["test_classwise"] = clf.evaluate(*test, noise="classwise")
    path.write_text(json.dumps(result, indent=1))
    print(
        f"{name} seed {seed}: val {result['val_accuracy']:.4f} (epoch {best + 1}), {result['seconds']} s",
        flush=True,
    )
    return result


def percent(values):
    """Mean ± standard deviation, in percent."""
    return spread([100 * v for v in values], 2)


def table(results, args):
    """Markdown of one study."""
    rows = []
    if args.study == "choose":
        rows += [
            "| configuration | validation accuracy % | validation loss | epoch |",
            "| --- | --- | --- | --- |",
        ]
        for name, runs in results.items():
            epochs = ", ".join(str(r["best_epoch"]) for r in runs)
            loss, std = (np.mean([r[key] for r in runs]) for key in ("val_loss", "std_mean"))
            label = 100 * np.mean([np.nan if (c := r["std_label_change"]) is None else c for r in runs])
            accuracy = percent([r["val_accuracy"] for r in runs])
            rows.append(f"| {name} | {accuracy} | {loss:.4f} | {std:.4f} | {label:.3g} | {epochs} |")
        return "\n".join(rows)
    rows += [
        "| model | validation % | test %, no noise | minus baseline [95 %] | test %, classwise | mean σ |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in results.items():
        test = [r["test"]["accuracy"] for r in runs]
        baseline = [r["test"]["accuracy"] for r in results[name.split("-")[0] + "-baseline"]]
        difference = "" if name.endswith("baseline") else Difference.of(test, baseline)
        classwise = (
            percent([r["test_classwise"]["accuracy"] for r in runs]) if "test_classwise" in runs[0] else ""
        )
        std = "" if name.endswith("baseline") else f"{np.mean([r['std_mean'] for r in runs]):.4f}"
        validation = percent([r["val_accuracy"] for r in runs])
        rows.append(f"| {name} | {validation} | {percent(test)} | {difference} | {classwise} | {std} |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", choices=["choose", "report"], default="report")
    parser.add_argument("--out", type=Path, default=Path("build/accuracy"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=None, help="default: the library's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="*", default=None, help="names of the configurations to train")
    args = parser.parse_args()
    args.out = args.out / args.study
    args.out.mkdir(parents=True, exist_ok=True)
    data = govpn.datasets.fashion_mnist("train"), govpn.datasets.fashion_mnist("test")
    configurations = CHOOSE if args.study == "choose" else REPORT
    names = args.only or list(configurations)
    results = {}
    for seed in range(args.seeds):
        for name in names:
            results.setdefault(name, []).append(run(name, configurations[name], seed, data, args))
    text = table(results, args)
    (args.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
