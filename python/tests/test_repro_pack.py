"""Runs packed into a file per table: nothing is lost, whoever works in the folder meanwhile."""

import json
import os
import subprocess
import sys
import threading

import govpn
import pytest
from conftest import LIGHT, LONG

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("scipy.stats")
repro = pytest.importorskip("govpn.repro")
from govpn.repro import _lock, _rows, _runs, _study  # noqa: E402
from govpn.repro.__main__ import main  # noqa: E402


def run_of(row="baseline", seed=0, **fields):
    return _rows.Run("fashion-mnist", "sr", row, seed, 2, **fields)


def result_of(run, accuracy=0.5):
    """What a run leaves, as far as these tests look at it."""
    data = {"train": 100, "test": 50, "note": "σ\u2028"}
    return {
        "id": run.id,
        "run": vars(run),
        "data": data,
        "std": None,
        "test": {"none": {"accuracy": accuracy}},
    }


def finish(folder, run, accuracy=0.5):
    """Leaves a run as a study does: written beside the file and renamed."""
    path = folder / "runs" / f"{run.id}.json"
    path.parent.mkdir(exist_ok=True)
    _runs.replace(path, lambda p: p.write_text(_runs.as_text(result_of(run, accuracy))))
    return path


def study_in(folder):
    return _study.Study(folder, folder, device="go", verbose=False)


def files(folder):
    return {p.name: p.read_bytes() for p in (folder / "runs").iterdir()}


RUNS = {
    "table1": [run_of(seed=s) for s in range(3)] + [run_of("vpn-dnn3"), run_of("vpn-resnet18")],
    "table2": [_rows.Run("tiny-imagenet", "dnn3", "vpn-dnn3")],
    "table3": [_rows.Run("ilsvrc2012", "resnet18", "baseline", epochs=0)],
    "table4": [run_of("frozen-dnn3")],
    "search": [run_of("vpn-dnn3", options={"std": "rms"}, test=False), run_of(images=5000, test=False)],
    "confirm": [run_of("vpn-dnn3", 100, options={"std": "rms"}), run_of(seed=104, images=5000)],
    "figures": [run_of("vpn-dnn3", options={"noise_samples": 4})],
}
ALL = [run for runs in RUNS.values() for run in runs]


@pytest.fixture
def folder(tmp_path):
    """A study with a loose file per run."""
    for run in ALL:
        finish(tmp_path, run)
    return tmp_path


def test_a_file_per_table_in_place_of_a_file_per_run(folder):
    before = study_in(folder).results()
    for name in ("x.npz", "y.part", "y.lock", ".host-1-z.json"):  # the last is being written
        (folder / "runs" / name).write_text("{")
    assert repro.pack(folder) == len(ALL)
    kept = {"x.npz", "y.part", "y.lock", ".host-1-z.json"}
    assert set(files(folder)) == {f"{table}.jsonl" for table in RUNS} | kept
    for table, runs in RUNS.items():
        lines = files(folder)[f"{table}.jsonl"].decode().removesuffix("\n").split("\n")
        assert [json.loads(line)["id"] for line in lines] == sorted(r.id for r in runs)
    study = study_in(folder)
    assert study.results() == before
    assert [study.result(r) for r in ALL] == [result_of(r) for r in ALL]
    assert study.result(run_of(seed=9)) is None


def test_packing_again_changes_nothing(folder):
    repro.pack(folder)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (folder / "runs").iterdir()}
    assert repro.pack(folder) == 0
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (folder / "runs").iterdir()} == before


def test_the_order_of_packing_does_not_matter(folder, tmp_path_factory):
    """Sorted by id: the same runs give the same bytes, in one go or one by one."""
    other = tmp_path_factory.mktemp("other")
    for run in reversed(ALL):
        finish(other, run)
        repro.pack(other)
    repro.pack(folder)
    assert files(other) == files(folder)


def test_a_loose_file_wins(folder):
    repro.pack(folder)
    study, run = study_in(folder), RUNS["table1"][0]
    assert study.result(run)["test"]["none"]["accuracy"] == 0.5
    loose = finish(folder, run, 0.75)
    assert study.result(run)["test"]["none"]["accuracy"] == 0.75
    assert len(study.results()) == len(ALL)
    assert next(r for r in study.results() if r["id"] == run.id) == result_of(run, 0.75)
    assert repro.pack(folder) == 1
    assert not loose.exists()
    assert study.result(run)["test"]["none"]["accuracy"] == 0.75
    assert study_in(folder).results() == study.results()


def test_a_resumed_study_skips_packed_and_loose_runs(folder, monkeypatch):
    def never(run, *_, **__):
        raise AssertionError(f"{run.id} was repeated")

    monkeypatch.setattr(_study, "execute", never)
    repro.pack(folder)
    finish(folder, run_of("random-noise"))
    study = study_in(folder)
    study.train([*ALL, run_of("random-noise"), run_of("matched-dnn3", test=True).needed()])
    with pytest.raises(govpn.errors.FileError, match="Fashion-MNIST is in none of these folders"):
        study.train([run_of("gaussian-blur")])  # this one is new, and the folder has no data set


def test_a_packed_result_gives_others_their_noise(bars, tmp_path):
    """A control takes σ from its generator's run, which lies in a packed file."""
    options = {
        "datasets": ["fashion-mnist"],
        "bases": ["sr"],
        "generators": ["dnn3"],
        "epochs": 1,
        "seeds": 1,
    }
    options |= {"images": 100, "eval_images": 20, "out": tmp_path, "data": bars, "device": "go"}
    repro.table1(rows=["vpn-dnn3"], verbose=False, **options)
    assert repro.pack(tmp_path) == 2
    repro.table1(rows=["vpn-dnn3", "power-dnn3"], verbose=False, **options)
    loose = [p.stem for p in (tmp_path / "runs").glob("*.json")]
    assert loose == ["fashion-mnist_sr_power-dnn3_e1_n100_t20_s0"]
    study = _study.Study(tmp_path, bars, device="go", verbose=False)
    found = {r["run"]["row"]: r for r in study.results()}
    assert found["power-dnn3"]["config"]["fixed_std"] == found["vpn-dnn3"]["std"]["std_rms"]
    text = (tmp_path / "table1.md").read_text()
    assert repro.pack(tmp_path) == 1
    repro.table1(train=False, out=tmp_path, data=bars, verbose=False)
    assert (tmp_path / "table1.md").read_text() == text


@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_failure_leaves_everything_as_it_was(folder, monkeypatch, step):
    """Packing writes beside the file and renames. Loose files go last."""
    repro.pack(folder)
    finish(folder, run_of(seed=7))
    before = files(folder)

    def fails(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, {"write": "fsync", "rename": "replace"}[step], fails)
    with pytest.raises(OSError, match="no space left"):
        repro.pack(folder)
    monkeypatch.undo()
    assert files(folder) == before
    assert repro.pack(folder) == 1


def test_a_loose_file_goes_only_after_the_packed_one_is_in_place(folder, monkeypatch):
    replace, seen = os.replace, []

    def watched(source, target):
        seen.append(sorted(p.stem for p in _runs.loose_files(folder / "runs")))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    repro.pack(folder)
    assert seen == [sorted(r.id for r in ALL)] * len(RUNS)
    assert not _runs.loose_files(folder / "runs")


def test_a_file_that_changes_meanwhile_stays(folder, monkeypatch):
    replace, run = os.replace, RUNS["table1"][0]

    def interrupted(source, target):
        replace(source, target)
        if str(target).endswith("table1.jsonl"):
            monkeypatch.undo()
            finish(folder, run, 0.75)

    monkeypatch.setattr(os, "replace", interrupted)
    repro.pack(folder)
    assert [p.stem for p in _runs.loose_files(folder / "runs")] == [run.id]
    assert study_in(folder).result(run) == result_of(run, 0.75)
    assert repro.pack(folder) == 1
    assert study_in(folder).result(run) == result_of(run, 0.75)


def test_a_reader_never_misses_a_run(folder, monkeypatch):
    """Another process packs between a reader's look at the loose files and at the packed ones."""
    study, packed = study_in(folder), _runs.Runs._packed
    for read in (
        lambda: len(study.results()),
        lambda: study.result(ALL[0]),
        lambda: study._runs.has(ALL[0].id),
    ):
        finish(folder, ALL[0])

        def meanwhile(self):
            repro.pack(folder)
            return packed(self)

        monkeypatch.setattr(_runs.Runs, "_packed", meanwhile)
        assert read() in (len(ALL), result_of(ALL[0]), True)
        monkeypatch.undo()


def test_a_run_that_vanishes_between_listing_and_reading_is_packed(folder, monkeypatch):
    listed = _runs.loose_files

    def packs_then(path):
        found = listed(path)
        monkeypatch.undo()
        repro.pack(folder)
        return found

    monkeypatch.setattr(_runs, "loose_files", packs_then)
    assert [r["id"] for r in study_in(folder).results()] == sorted(r.id for r in ALL)


PACKS = f"""
{LIGHT}
import time, govpn.repro
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    govpn.repro.pack(sys.argv[1])
"""


def test_packing_while_runs_finish_loses_nothing(tmp_path):
    """Two processes pack all the time. Threads finish runs. A reader sees every run from then on."""
    (tmp_path / "runs").mkdir()
    command = [sys.executable, "-c", PACKS, str(tmp_path), "3" if LONG else "1"]
    packers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    done, lock, stop = set(), threading.Lock(), threading.Event()

    def finishes(row):
        seed = 0
        while not stop.is_set():
            run = run_of(row, seed)
            finish(tmp_path, run, seed / 1000)
            with lock:
                done.add(run.id)
            seed += 1
            stop.wait(0.1)

    threads = [threading.Thread(target=finishes, args=(r,)) for r in ("baseline", "vpn-dnn3", "frozen-dnn3")]
    for thread in threads:
        thread.start()
    study = study_in(tmp_path)
    while any(p.poll() is None for p in packers):
        with lock:
            expected = set(done)
        assert expected <= {r["id"] for r in study.results()}
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert [(p.communicate()[1], p.returncode) for p in packers] == [("", 0), ("", 0)]
    assert {r["id"] for r in study.results()} == done
    assert len(done) > 10
    assert (tmp_path / "runs" / "table1.jsonl").exists()
    repro.pack(tmp_path)
    assert set(files(tmp_path)) == {"table1.jsonl", "table4.jsonl", "confirm.jsonl"} & set(files(tmp_path))
    for r in study.results():
        assert r["test"]["none"]["accuracy"] == r["run"]["seed"] / 1000


def test_two_packers_take_turns(folder, monkeypatch):
    """A packer waits for the lock of another. A lock that nobody touches is taken over."""
    lock = folder / "runs" / "pack.lock"
    lock.write_text("elsewhere 1\n")
    waits = []

    def waited(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            os.utime(lock, (0, 0))

    monkeypatch.setattr(_runs.time, "sleep", waited)
    assert repro.pack(folder) == len(ALL)
    assert len(waits) == 3
    assert not lock.exists()


def test_a_packer_that_lost_its_lock_begins_again(folder, monkeypatch):
    """Another process took over while this one slept, packed, and removed a loose file."""
    held, lost = _lock.Lock.held, []

    def first_not(self):
        if lost:
            return held(self)
        lost.append(True)
        (folder / "runs" / "pack.lock").unlink()
        repro.pack(folder)
        return False

    monkeypatch.setattr(_lock.Lock, "held", first_not)
    monkeypatch.setattr(_runs.time, "sleep", lambda _: finish(folder, run_of(seed=7)))
    assert repro.pack(folder) == 1
    assert [r["id"] for r in study_in(folder).results()] == sorted(r.id for r in [*ALL, run_of(seed=7)])


def test_a_packer_that_sleeps_before_it_renames_overwrites_nothing(folder, monkeypatch):
    """It still had the lock when it looked. Then another process packed one run more."""
    held, slept = _lock.Lock.held, []

    def sleeps_after(self):
        answer = held(self)
        if not slept:
            slept.append(True)
            (folder / "runs" / "pack.lock").unlink()
            finish(folder, run_of(seed=7))
            assert repro.pack(folder) == len(ALL) + 1
        return answer

    monkeypatch.setattr(_lock.Lock, "held", sleeps_after)
    monkeypatch.setattr(_runs.time, "sleep", lambda _: None)
    assert repro.pack(folder) == 0
    assert [r["id"] for r in study_in(folder).results()] == sorted(r.id for r in [*ALL, run_of(seed=7)])


def test_a_killed_packer_leaves_nothing_behind(folder):
    (folder / "runs" / ".elsewhere-1-table1.jsonl").write_text("{")
    repro.pack(folder)
    assert set(files(folder)) == {f"{table}.jsonl" for table in RUNS}


def test_a_lock_of_another_is_not_released(tmp_path):
    with _lock.locked(tmp_path / "a.lock") as lock:
        (tmp_path / "a.lock").write_text("elsewhere 1\n")
        assert not lock.held()
    assert (tmp_path / "a.lock").read_text() == "elsewhere 1\n"


LINE = json.dumps(result_of(run_of())).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE[:40] + b"\n" + LINE + b"\n", r"table1.jsonl, line 1: not a finished run: "),
        (LINE + b"\n<<<<<<< HEAD\n", r"table1.jsonl, line 2: not a finished run: Expecting value"),
        (LINE + b"\n\n" + LINE, r"table1.jsonl, line 2: not a finished run: Expecting value"),
        (LINE + b"\n[1]\n", r"table1.jsonl, line 2: not a finished run: want an object with id and run"),
        (b'{"id": 3, "run": {}}\n', r"table1.jsonl, line 1: not a finished run: want an object"),
        (LINE + b"\n\xff\n", r"table1.jsonl, line 2: not a finished run: .*decode"),
        (LINE + b"\n" + LINE + b"\n", r"table1.jsonl, line 2: fashion-mnist_sr_baseline_e2_s0 is on line 1"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, capsys, content, message):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "table1.jsonl").write_bytes(content)
    study = study_in(tmp_path)
    for read in (study.results, lambda: study.result(run_of()), lambda: repro.pack(tmp_path)):
        with pytest.raises(govpn.errors.FileError, match=message):
            read()
    assert main(["table1", "--report-only", "--out", str(tmp_path)]) == 1
    assert "govpn.repro: " in capsys.readouterr().err
    assert (tmp_path / "runs" / "table1.jsonl").read_bytes() == content


def test_two_packed_files_that_disagree(folder):
    repro.pack(folder)
    row = json.dumps(result_of(ALL[0], 0.9))
    (folder / "runs" / "z.jsonl").write_text(row + "\n")
    with pytest.raises(govpn.errors.FileError, match=r"z.jsonl: .*_s0 is also in another packed file"):
        study_in(folder).results()
    with pytest.raises(govpn.errors.FileError, match=r"z.jsonl: .*_s0 is also in another packed file"):
        repro.pack(folder)
    (folder / "runs" / "z.jsonl").write_text(json.dumps(result_of(ALL[0])) + "\n")  # the same twice is none
    assert len(study_in(folder).results()) == len(ALL)
    assert repro.pack(folder) == 0
    assert (folder / "runs" / "z.jsonl").read_bytes() == b""  # the second of the two is gone
    assert len(study_in(folder).results()) == len(ALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a finished run: Expecting"),
        (
            json.dumps(result_of(run_of(seed=1))),
            "its id is fashion-mnist_sr_baseline_e2_s1, want the name of",
        ),
        (json.dumps({"id": run_of().id, "run": {"row": "x"}}), "not a run of this version: "),
    ],
)
def test_a_damaged_loose_file_is_named_and_kept(tmp_path, content, message):
    path = tmp_path / "runs" / f"{run_of().id}.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(govpn.errors.FileError, match=rf"{run_of().id}.json: {message}"):
        repro.pack(tmp_path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_command(folder, capsys):
    assert main(["pack", "--out", str(folder)]) == 0
    assert f"packed: {len(ALL)} runs into {folder}/runs/*.jsonl" in capsys.readouterr().err
    assert main(["pack", "--out", str(folder)]) == 0
    assert "packed: 0 runs" in capsys.readouterr().err
    for option in (["--seeds", "2"], ["--device", "go"], ["--report-only"], ["--no-resume"]):
        with pytest.raises(SystemExit, match=f"pack takes no --{option[0].removeprefix('--no-').strip('-')}"):
            main(["pack", *option, "--out", str(folder)])


def test_formats(folder, capsys):
    """A study writes the files that it is asked for, and links the picture that it has."""
    repro.pack(folder)
    command = ["table1", "--report-only", "--out", str(folder)]
    assert main([*command, "--format", "md", "--format", "png"]) == 0
    assert {p.name for p in folder.glob("table1.*")} == {"table1.md", "table1.png"}
    assert "](table1.png)" in (folder / "table1.md").read_text()
    report = repro.table1(train=False, out=folder, verbose=False, formats=("md", "html", "svg"))
    assert "](table1.svg)" in report.to_markdown()
    assert "src='table1.svg'" in (folder / "table1.html").read_text()
    assert {p.suffix for p in folder.glob("table1.*")} == {".md", ".png", ".html", ".svg"}
    with pytest.raises(ValueError, match="formats has 'pdf', want of md, html, png, svg"):
        repro.search(train=False, out=folder, formats=["pdf"])
    with pytest.raises(ValueError, match="formats is 'md', want a list"):
        repro.search(train=False, out=folder, formats="md")
    with pytest.raises(SystemExit):
        main([*command, "--format", "pdf"])
    assert "invalid choice: 'pdf'" in capsys.readouterr().err


def test_arrays_are_kept_where_a_figure_may_draw_them():
    keeps = [r for r in ALL if _rows.drawn_by_a_figure(r)]
    shown = [run_of("vpn-dnn3"), run_of("vpn-resnet18"), _rows.Run("tiny-imagenet", "dnn3", "vpn-dnn3")]
    assert keeps == shown
    assert _rows.drawn_by_a_figure(run_of("vpn-dnn3", options={"entropy_weight": 0.1}, test=False))
    assert not _rows.drawn_by_a_figure(run_of("vpn-dnn3", images=500))
    assert not _rows.drawn_by_a_figure(run_of("vpn-dnn3", seed=1))
