"""The study of the paper's tables, on a Fashion-MNIST of a few hundred drawn images."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import govpn
import numpy as np
import pytest

pytest.importorskip("matplotlib").use("Agg")
stats = pytest.importorskip("scipy.stats")
repro = pytest.importorskip("govpn.repro")
from govpn.repro import _cell, _data, _rows, _run, _study  # noqa: E402
from govpn.repro.__main__ import main  # noqa: E402


@pytest.fixture(scope="module")
def data(few_bars):
    return few_bars


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


ARGUMENTS = {"device": "go", "verbose": False}
SMALL = {"datasets": ["fashion-mnist"], "bases": ["sr"], "generators": ["dnn3"], "epochs": 2}


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    """Tables I and IV of two seeds, finished."""
    out = tmp_path_factory.mktemp("study")
    for table in (repro.table1, repro.table4):
        table(**SMALL, seeds=2, out=out, data=data, **ARGUMENTS)
    return out


def results(out):
    return {p.stem: json.loads(p.read_text()) for p in (out / "runs").glob("*.json")}


def test_every_number_of_the_report_is_in_a_run(study):
    runs = results(study)
    assert len(runs) == 2 * (6 + 3 + 1)  # baselines, VPN and its controls, frozen, of two seeds
    report = repro.Report("table1", list(runs.values()), study)
    cell = report.cells["vpn-dnn3/classwise", ("fashion-mnist", "sr")]
    vpn = [100 * runs[f"fashion-mnist_sr_vpn-dnn3_e2_s{s}"]["test"]["classwise"]["accuracy"] for s in (0, 1)]
    base = [100 * runs[f"fashion-mnist_sr_baseline_e2_s{s}"]["test"]["none"]["accuracy"] for s in (0, 1)]
    low, high = stats.ttest_rel(vpn, base).confidence_interval()
    assert cell.values == pytest.approx(vpn)
    assert cell.to_baseline.mean == pytest.approx(np.mean(vpn) - np.mean(base))
    assert 2 * cell.to_baseline.half == pytest.approx(high - low, nan_ok=True)
    text = (study / "table1.md").read_text()
    assert f"{np.mean(vpn):.2f} ± {np.std(vpn, ddof=1):.2f}" in text
    assert "paper 76.34" in text
    assert "2 seeds, 2 epochs" in text
    page = (study / "table1.html").read_text()
    assert f"<td>{np.mean(vpn):.2f} ± {np.std(vpn, ddof=1):.2f}<br>" in page
    assert "<img src='table1.svg'" in page
    assert "<img" not in report._repr_html_()
    assert {p.name for p in study.glob("table1.*")} == {f"table1.{s}" for s in ("md", "html", "png", "svg")}


def test_a_matched_control_has_the_mean_std_of_its_generator(study):
    runs = results(study)
    for seed in (0, 1):
        vpn, matched = (runs[f"fashion-mnist_sr_{r}-dnn3_e2_s{seed}"] for r in ("vpn", "matched"))
        assert matched["config"]["fixed_std"] == vpn["std"]["std_mean"] > 0
        power = runs[f"fashion-mnist_sr_power-dnn3_e2_s{seed}"]
        assert power["config"]["fixed_std"] == vpn["std"]["std_rms"] > vpn["std"]["std_mean"]
        assert vpn["config"]["mode"], matched["config"]["mode"] == ("joint", "gaussian")


def test_a_frozen_base_is_the_baseline(study):
    runs = results(study)
    for seed in (0, 1):
        base, frozen = (runs[f"fashion-mnist_sr_{r}_e2_s{seed}"] for r in ("baseline", "frozen-dnn3"))
        assert frozen["test"]["none"] == base["test"]["none"]
        assert frozen["best_epoch"] == 2
        base["test"]["none"]["accuracy"] = 0.5  # a base that was trained anew, and came out another
    report = repro.Report("table4", list(runs.values()), study)
    cell = report.cells["vpn-dnn3", ("fashion-mnist", "sr")]
    own = [runs[f"fashion-mnist_sr_frozen-dnn3_e2_s{s}"]["test"] for s in (0, 1)]
    gains = [100 * (t["classwise"]["accuracy"] - t["none"]["accuracy"]) for t in own]
    assert cell.to_baseline.mean == pytest.approx(np.mean(gains))


def test_finished_runs_are_never_repeated(study, data):
    before = {p: p.stat().st_mtime_ns for p in (study / "runs").iterdir()}
    repro.table1(**SMALL, seeds=2, out=study, data=data, **ARGUMENTS)
    assert {p: p.stat().st_mtime_ns for p in (study / "runs").iterdir()} == before


def test_a_lost_weight_is_trained_again(study, data, tmp_path):
    """The same seed gives the same weights, and so the same frozen run."""
    run = _rows.Run("fashion-mnist", "sr", "frozen-dnn3", 1, 2)
    other = _study.Study(tmp_path, data, **ARGUMENTS)
    name = f"{run.needed().id}.json"
    (tmp_path / "runs" / name).write_text((study / "runs" / name).read_text())
    other.train([run])
    assert other.result(run)["history"]["loss"] == results(study)[run.id]["history"]["loss"]


def test_an_interrupted_run_goes_on(study, data, tmp_path, monkeypatch):
    run = _rows.Run("fashion-mnist", "sr", "vpn-dnn3", 0, 2)
    fit = govpn.VPNClassifier.fit

    def interrupted(self, *args, **kwargs):
        fit(self.set_params(epochs=1), *args, **kwargs)
        raise KeyboardInterrupt

    other = _study.Study(tmp_path, data, **ARGUMENTS)
    monkeypatch.setattr(govpn.VPNClassifier, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.train([run])
    assert [p.suffix for p in (tmp_path / "runs").iterdir()] == [".part"]
    monkeypatch.setattr(govpn.VPNClassifier, "fit", fit)
    other.train([run])
    assert other.result(run)["history"]["loss"] == results(study)[run.id]["history"]["loss"]
    assert not list((tmp_path / "runs").glob("*.part"))


def test_processes_share_a_folder(data, tmp_path):
    """Two at once: each run is made once, and both end when all are finished."""
    command = [sys.executable, "-m", "govpn.repro", "table1", "--dataset", "fashion-mnist", "--base", "sr"]
    command += ["--row", "random-noise", "--seeds", "3", "--epochs", "1", "--device", "go"]
    command += ["--out", str(tmp_path), "--data", str(data)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [line.split()[1] for p in both for line in p.communicate()[0].splitlines() if line.startswith("[")]
    assert [p.returncode for p in both] == [0, 0]
    assert sorted(made) == sorted(results(tmp_path))
    assert len(made) == 6
    assert not list((tmp_path / "runs").glob("*.lock"))


def test_a_killed_process_leaves_its_run_to_others(data, tmp_path):
    run = _rows.Run("fashion-mnist", "sr", "baseline", 0, 1, images=100, eval_images=20)
    study = _study.Study(tmp_path, data, **ARGUMENTS)
    lock = tmp_path / "runs" / f"{run.id}.lock"
    lock.write_text("elsewhere 1\n")
    with study._locked(run) as mine:
        assert not mine
    old = time.time() - 1000
    os.utime(lock, (old, old))
    study.train([run])
    assert study.result(run)["data"] == {"train": 100, "validation": 20, "test": 20, "note": ""}
    assert not lock.exists()
    cell = _cell.cell("table1", "baseline", "fashion-mnist", "sr", study.results())
    assert cell.mark() == "1 seed, 1 epoch, 100 images, 20 test images"


def cpu_seconds(pid):
    """What a process has computed. Without /proc, the clock."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except FileNotFoundError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_ctrl_c_ends_the_command(data, tmp_path):
    command = [sys.executable, "-m", "govpn.repro", "table1", "--dataset", "fashion-mnist", "--base", "sr"]
    command += ["--row", "vpn-dnn3", "--epochs", "100000", "--device", "go", "--out", str(tmp_path)]
    process = subprocess.Popen([*command, "--data", str(data)], stdout=subprocess.PIPE, text=True)
    assert "baseline" in process.stdout.readline()
    computed = cpu_seconds(process.pid)
    while cpu_seconds(process.pid) < computed + 1:  # on a busy machine, longer by the clock
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    text = process.communicate()[0]
    assert process.returncode == 130
    assert re.search(r"baseline_e100000_s0: stopped after \d+ epochs, kept", text)
    assert [p.suffix for p in (tmp_path / "runs").iterdir()] == [".part"]


def test_figures(study, data, capsys):
    common = {"out": study, "data": data, **ARGUMENTS}
    figure = repro.fig3(["fashion-mnist"], "sr", seeds=2, epochs=2, **common)
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "training loss, nats",
        "training accuracy",
        "validation accuracy",
    ]
    losses = results(study)["fashion-mnist_sr_baseline_e2_s0"]["history"]["loss"]
    losses = np.mean([losses, results(study)["fashion-mnist_sr_baseline_e2_s1"]["history"]["loss"]], axis=0)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), losses)
    figure = repro.fig4(["fashion-mnist"], "sr", seeds=1, epochs=1, noise_samples=(1, 2), **common)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["m = 1", "m = 2"]
    arrays = _study.Study(study, data, **ARGUMENTS).noise_of(
        _rows.Run("fashion-mnist", "sr", "vpn-dnn3", 0, 2)
    )
    assert arrays["std"].shape == arrays["noise"].shape == (10, 28, 28, 1)
    rows = [("a", np.zeros((28, 28, 1)), s, n) for s, n in zip(arrays["std"], arrays["noise"], strict=True)]
    figure = repro._plots.noise(rows)
    assert figure.axes[-1].get_xlabel().startswith("variance σ²")


def test_intervals_of_two_seeds_do_not_set_the_axis(study, data):
    report = repro.table1(train=False, out=study, data=data, **ARGUMENTS)
    column = report.columns[0]
    cells = [c for k in report.lines if (c := report.cells[k, column]) and c.to_baseline]
    assert {c.to_baseline.pairs for c in cells} == {2}
    ends = [0.0] + [c.to_baseline.mean for c in cells]
    ends += [c.paper - report.paper_baseline(column) for c in cells if c.paper is not None]
    low, high = report.plot().axes[0].get_xlim()
    assert high - low == pytest.approx(1.1 * (max(ends) - min(ends)))


def test_pictures_of_a_generator_have_its_name(study, data, tmp_path):
    (tmp_path / "runs").mkdir()
    shutil.copy(
        study / "runs/fashion-mnist_sr_vpn-dnn3_e2_s0.npz",
        tmp_path / "runs/fashion-mnist_sr_vpn-resnet18_e2_s0.npz",
    )
    options = {"out": tmp_path, "data": data, "train": False, **ARGUMENTS}
    repro._figures._pictures("fig6", [("fashion-mnist", 3)], "sr", "resnet18", 2, options)
    assert {p.name for p in tmp_path.glob("fig6*")} == {"fig6-resnet18.png", "fig6-resnet18.svg"}


def test_the_papers_numbers():
    assert _rows.printed("table1", "vpn-resnet18/classwise", "fashion-mnist", "sr") == 67.63
    assert _rows.printed("table4", "vpn-dnn3", "fashion-mnist", "resnet34") == 95.99
    assert _rows.printed("table1", "matched-dnn3", "fashion-mnist", "sr") is None
    for table in _rows.TABLES:
        content = _rows.paper()["tables"][table]
        assert {len(row) for row in content["rows"].values()} == {len(content["columns"])}
        assert set(content["rows"]) <= set(_rows.cells(table))


def test_ids_tell_runs_apart():
    run = _rows.Run(
        "cifar-10", "dnn3", "vpn-dnn3", 3, 40, 1000, 500, label_noise=0.2, options={"std": "abs"}, test=False
    )
    assert run.id == "cifar-10_dnn3_vpn-dnn3_e40_n1000_t500_flip0.2_std=abs_validation_s3"
    assert run.baseline().id == "cifar-10_dnn3_baseline_e40_n1000_t500_flip0.2_validation_s3"
    assert "test" not in run.id
    long = _rows.Run("a", "b", "baseline", options={f"option{i}": i for i in range(40)})
    assert len(long.id) < 160
    assert long.id != _rows.Run("a", "b", "baseline", options={f"option{i}": i for i in range(41)}).id


def test_wrong_labels_are_as_many_as_asked_for():
    part = _data.Part(np.zeros((1000, 2, 2, 1), np.uint8), np.arange(1000) % 10)
    noisy = _data.subset(part, 500, 0.2, 0)
    assert len(noisy.y) == len(noisy.X) == 500
    assert (noisy.y != _data.subset(part, 500, 0.0, 0).y).mean() == 0.2
    assert set(noisy.y) == set(range(10))


def test_one_pair_has_no_interval():
    assert str(_cell.Difference.of([0.52], [0.5])) == "+2.00"
    assert str(_cell.Difference.of([0.5, 0.48], [0.5, 0.5])) == "−1.00 [−13.71, +11.71]"
    assert _cell.Difference.of([], []) is None


def test_misuse(data, tmp_path, capsys):
    with pytest.raises(govpn.GovpnError, match="bases has 'mlp', want of sr, dnn3"):
        repro.table1(bases=["mlp"], out=tmp_path)
    with pytest.raises(govpn.GovpnError, match="datasets is 'cifar-10', want a list"):
        repro.table1(datasets="cifar-10", out=tmp_path)
    with pytest.raises(govpn.GovpnError, match="seeds is 0"):
        repro.table1(seeds=0, out=tmp_path)
    with pytest.raises(govpn.GovpnError, match="row is 'x'"):
        _rows.Run("cifar-10", "sr", "x")
    with pytest.raises(SystemExit):
        main(["fig1", "--seeds", "3", "--out", str(tmp_path)])
    assert main(["table2", "--out", str(tmp_path), "--data", str(data), "--seeds", "1"]) == 1
    assert "tiny-imagenet is not in" in capsys.readouterr().err


def test_what_a_result_says(study):
    result = results(study)["fashion-mnist_sr_vpn-dnn3_e2_s0"]
    wanted = {"id", "run", "data", "config", "history", "std", "validation", "test", "seconds", "device"}
    wanted |= {"benefit", "explanation"}
    assert wanted | {"machine", "versions", "warnings", "best_epoch", "finished", "parameters"} == set(result)
    assert result["versions"].keys() == _run.versions().keys()
    assert result["data"] == {"train": 180, "validation": 20, "test": 50, "note": ""}
    assert result["config"]["seed"] == 0
    assert result["config"]["drop_last"] is True
    assert len(result["history"]["loss"]) == 2
