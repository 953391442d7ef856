"""docs/repro and the pages that quote it: every number is computed anew from the packed runs.

A page quotes a number within a sentence or a line of a table. `QUOTES` writes each of them from the
runs, and the page must contain it. What is left of a page may have no decimal number but those of
`SETTINGS`, so that a number without a quote fails, too.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("scipy.stats")
pytest.importorskip("govpn.repro")
from govpn.repro import Report, Run, SearchReport, _rows, _runs, _search, _settings  # noqa: E402
from govpn.repro._cell import Difference, between, signed, spread  # noqa: E402
from govpn.repro._explained import ExplainReport  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = [(d, b) for d in ("fashion-mnist", "cifar-10") for b in ("sr", "dnn3")]
HARD = ("noise 0.1", "noise 0.3", "blur 1 px", "contrast 0.5")


class Folder:
    """docs/repro, read once."""

    def __init__(self):
        folder = DOCS / "repro"
        self.results = _runs.Runs(folder / "runs").all()
        self.by_id = {r["id"]: r for r in self.results}
        self.reports = {t: Report(t, self.results, folder, ("md", "png")) for t in ("table1", "table4")}
        self.search = SearchReport(self.results, folder, False, ("md", "png"))
        self.confirm = SearchReport(self.results, folder, True, ("md", "png"))
        self.explain = ExplainReport(self.results, folder, ("md", "png"))
        self.cost = json.loads((folder / "cost.json").read_text())["seconds"]

    def cell(self, table, line, column):
        return self.reports[table].cells[line, column]

    def gains(self, table, line):
        """The differences to the baseline of the four columns."""
        return [self.cell(table, line, c).to_baseline for c in COLUMNS]

    def minus(self, table, first, second):
        return [between(self.cell(table, first, c), self.cell(table, second, c)) for c in COLUMNS]

    def paper(self, table, line, column):
        return _rows.printed(table, line, *column) - _rows.printed(table, "baseline", *column)

    def run(self, *place, **fields):
        return self.by_id[Run(*place, **fields).id]

    def tried(self, base, setting, epochs=40, test=False):
        """The runs of a setting, by row: a list over the seeds that have all rows."""
        report = self.confirm if test else self.search
        groups = report._groups("fashion-mnist", base, _settings.SETTINGS[setting])[epochs]
        return dict(zip(_search.ROWS_OF_A_SETTING, zip(*groups, strict=True), strict=True))

    def difference(self, rows, first, second, condition="", test=False, noise="none"):
        part = "test" if test else "validation"
        values = (
            [r[part]["corrupted"][condition] if condition else r[part][how]["accuracy"] for r in rows[row]]
            for row, how in ((first, noise), (second, "none"))
        )
        return Difference.of(*values)


@pytest.fixture(scope="module")
def folder():
    if not (DOCS / "repro").is_dir():
        pytest.skip("this is no checkout: docs/repro is not here")
    return Folder()


def row(*fields):
    return "| " + " | ".join(fields) + " |"


def means(differences):
    return [signed(d.mean) for d in differences]


def percent(result, noise="none", part="test"):
    return f"{100 * result[part][noise]['accuracy']:.2f}"


def span(values, form):
    values = list(values)
    return f"{format(min(values), form)} to {format(max(values), form)}"


def results_page(f):
    """The overview: the first of its tables."""
    yield row("VPN − baseline", *map(str, f.gains("table1", "vpn-dnn3/none")))
    power = f.minus("table1", "vpn-dnn3/none", "power-dnn3")
    yield row("VPN − Gaussian of the same power", *map(str, power))
    gains = [f.paper("table1", "vpn-dnn3/none", c) for c in COLUMNS]
    yield f"The paper's gains on these four are {span(gains, '.2f')} points."
    baselines = [f.cell("table1", "baseline", c) for c in COLUMNS]
    assert all(c.paper < min(c.values) for c in baselines)
    yield "Its baselines are weaker than ours in all four."
    yield f"{longer(f):.1f} times as long with base and generator `dnn3`"


def longer(f):
    """How much longer an epoch with VPN takes."""
    return f.cost["dnn3"]["VPN"]["training"] / f.cost["dnn3"]["no noise"]["training"]


def accuracy_page(f):
    yield from accuracy_table(f)
    yield from intervals(f)
    yield from beside_the_paper(f)
    yield from resnet18(f)
    yield from figures(f)
    deep = [("baseline", "none"), ("vpn-dnn3", "none"), ("matched-dnn3", "none"), ("power-dnn3", "none")]
    runs = [f.run("cifar-10", "resnet18", r, epochs=5, images=5000, eval_images=1000) for r, _ in deep]
    names = ("Baseline", "VPN", "Gaussian of its mean σ", "of its RMS σ")
    shown = ", ".join(
        f"{n} {100 * r['test']['none']['accuracy']:.1f} %" for n, r in zip(names, runs, strict=True)
    )
    yield f"{shown}."
    yield f"The mean of σ is {runs[1]['std']['std_mean']:.3f}."


def accuracy_table(f):
    baselines = [f.cell("table1", "baseline", c) for c in COLUMNS]
    yield row("baseline; the paper's", *(f"{np.mean(c.values):.2f}; {c.paper:.2f}" for c in baselines))
    lines = {
        "VPN, generator dnn3; the paper's": ("table1", "vpn-dnn3/none"),
        "the same, classwise; the paper's": ("table1", "vpn-dnn3/classwise"),
        "Gaussian of its mean σ": ("table1", "matched-dnn3"),
        "Gaussian of its RMS σ": ("table1", "power-dnn3"),
        "VPN, generator resnet18; the paper's": ("table1", "vpn-resnet18/none"),
        "the same, classwise; the paper's ": ("table1", "vpn-resnet18/classwise"),
        "Gaussian of its mean σ ": ("table1", "matched-resnet18"),
        "Gaussian of its RMS σ ": ("table1", "power-resnet18"),
        "base frozen, VPN, generator dnn3, classwise; the paper's": ("table4", "vpn-dnn3"),
        "Gaussian of its RMS σ  ": ("table4", "vpn-dnn3/power"),
        "base frozen, VPN, generator resnet18, classwise; the paper's": ("table4", "vpn-resnet18"),
        "Gaussian of its RMS σ   ": ("table4", "vpn-resnet18/power"),
    }
    for name, (table, line) in lines.items():
        fields = means(f.gains(table, line))
        if "paper" in name:
            ours = zip(fields, COLUMNS, strict=True)
            fields = [f"{x}; {signed(f.paper(table, line, c))}" for x, c in ours]
        yield row(name.strip(), *fields)


def intervals(f):
    yield row("VPN − baseline", *map(str, f.gains("table1", "vpn-dnn3/none")))
    yield row("VPN − Gaussian of its RMS σ", *map(str, f.minus("table1", "vpn-dnn3/none", "power-dnn3")))
    frozen = f.minus("table4", "vpn-dnn3", "vpn-dnn3/power")
    yield row("base frozen, VPN − Gaussian of its RMS σ", *map(str, frozen))
    assert all(d.mean - d.half < 0 < d.mean + d.half for d in frozen)
    yield "all four intervals contain 0"
    vpn, power = (f.cell("table4", k, COLUMNS[0]) for k in ("vpn-dnn3", "vpn-dnn3/power"))
    points = [[v / 100 for v in c.values] for c in (vpn, power)]
    four = Difference.of(*(p[:4] for p in points))
    fifth = signed(vpn.values[4] - power.values[4])
    yield f"Four seeds had said {four} in the first column. The fifth gave {fifth}."
    above = [
        (line, column, d)
        for report in f.reports.values()
        for (line, column), c in report.cells.items()
        if c and (d := c.to_baseline) and d.mean - d.half > 0
    ]
    ((line, column, d),) = above
    assert (line, column) == ("gaussian-blur", ("cifar-10", "sr"))
    yield (
        f"One of their intervals is above 0: that of the augmentation by blur for base `sr` on CIFAR-10, {d}."
    )

    def mean_std(table, line, dataset, digits=3):
        return span((f.cell(table, line, c).std[0] for c in COLUMNS if c[0] in dataset), f".{digits}f")

    yield (
        f"The mean of σ ends at {mean_std('table1', 'vpn-dnn3/none', 'fashion-mnist')} of the pixel range on "
        f"Fashion-MNIST and at {mean_std('table1', 'vpn-dnn3/none', 'cifar-10')} on CIFAR-10. With the base "
        f"frozen it ends at {mean_std('table4', 'vpn-dnn3', 'fashion-mnist cifar-10')}."
    )


def beside_the_paper(f):
    baselines = {c: f.cell("table1", "baseline", c) for c in COLUMNS}
    c = baselines["cifar-10", "sr"]
    yield f"Base `sr` on CIFAR-10 reaches {spread(c.values, 2)} (the paper {c.paper:.2f})."

    def costs(line, base="sr"):
        column = ("fashion-mnist", base)
        return -f.cell("table1", line, column).to_baseline.mean, -f.paper("table1", line, column)

    translation, blur, jitter = map(costs, ("random-translation", "gaussian-blur", "color-jitter"))
    assert max(abs(x) for x in jitter) < 0.15  # nothing
    yield (
        f"translation costs base `sr` {translation[0]:.1f} points (the paper {translation[1]:.1f}), blur "
        f"{blur[0]:.1f} ({blur[1]:.1f}) and colour jitter nothing (nothing)."
    )
    ahead = {c: np.mean(x.values) - x.paper for c, x in baselines.items()}
    fashion = [v for (d, _), v in ahead.items() if d == "fashion-mnist"]
    yield f"baselines on Fashion-MNIST are {span(fashion, '.0f')} points above the paper's"
    yield f"Base `dnn3` on CIFAR-10 is {ahead['cifar-10', 'dnn3']:.0f} above"
    ours, theirs = zip(
        *(
            (-f.cell("table1", k, c).to_baseline.mean, -f.paper("table1", k, c))
            for k in ("random-rotation", "random-translation")
            for c in COLUMNS
            if c[1] == "dnn3"
        ),
        strict=True,
    )
    costs = f"{max(ours):.1f} points, the paper's {span(theirs, '.0f')}"
    yield f"rotation and translation cost base `dnn3` at most {costs}"
    plain = {b: f.tried(b, "5,000 images", 2)["baseline"] for b in ("dnn3", "sr")}
    at = {b: np.mean([100 * r["validation"]["none"]["accuracy"] for r in runs]) for b, runs in plain.items()}
    abs_, bounded = (
        {b: f.difference(f.tried(b, name, 2), "vpn-dnn3", "baseline") for b in ("dnn3", "sr")}
        for name in ("the paper's σ = |o|, κ = 0.01", "5,000 images")
    )
    yield row("baseline, %", f"{at['sr']:.1f}", f"{at['dnn3']:.1f}")
    yield row("VPN (σ = \\|o\\|, κ = 0.01) − baseline", str(abs_["sr"]), str(abs_["dnn3"]))
    yield row("VPN (bounded σ, κ = 1) − baseline", str(bounded["sr"]), str(bounded["dnn3"]))


def resnet18(f):
    runs = [r for r in f.results if r["run"]["row"] in ("vpn-resnet18", "frozen-resnet18")]
    change = [r["std"]["std_image_change"] for r in runs]
    yield f"by {span(change, '.2f')} of its mean"
    own = [
        r["std"]["std_image_change"]
        for c in COLUMNS
        for s in range(5)
        if (r := f.run(*c, "vpn-dnn3", s))["std"]["std_image_change"] is not None
    ]
    assert max(own) < 0.05  # nothing: one map for all images
    pair = [f.run("cifar-10", "dnn3", "vpn-resnet18", s, 5) for s in (0, 1)]
    base = [
        r["test"]["none"]["accuracy"] for r in (f.run("cifar-10", "dnn3", "baseline", s, 5) for s in (0, 1))
    ]
    yield row("baseline, %", *(f"{100 * b:.2f}" for b in base))
    names = {"none": "VPN, without noise, %", "classwise": "VPN, classwise, %"}
    names |= {"power": "VPN, Gaussian noise of the same power in prediction, %"}
    for noise, name in names.items():
        yield row(name, *(percent(r, noise) for r in pair))
    yield row("σ, mean", *(f"{r['std']['std_mean']:.2f}" for r in pair))
    yield row("σ, RMS", *(f"{r['std']['std_rms']:.2f}" for r in pair))
    for key, name in (
        ("mutual_information", "I(T, E), nats"),
        ("gain_over_control", "I(T, E) − that of Gaussian noise of its mean σ, nats"),
    ):
        yield row(name, *(f"{r['benefit'][key]:.3f} ± {r['benefit'][key + '_se']:.3f}" for r in pair))
    for base in ("sr", "dnn3"):
        vpn = [f.run("fashion-mnist", base, "vpn-resnet18", s, 5) for s in (0, 1)]
        plain, power = (f.run("fashion-mnist", base, r, 1, 5) for r in ("baseline", "power-resnet18"))
        costs = (
            100 * (plain["test"]["none"]["accuracy"] - r["test"]["none"]["accuracy"]) for r in (power, vpn[1])
        )
        yield row(f"`{base}`", *(f"{r['std']['std_rms']:.2f}" for r in vpn), *(f"{c:.1f}" for c in costs))


def figures(f):
    tiny = f.run("tiny-imagenet", "dnn3", "vpn-dnn3")
    yield f"{percent(tiny)[:-1]} % of {tiny['data']['test']:,} test images are right"
    options = [{}, *({"noise_samples": m} for m in (2, 4, 8))]
    runs = [f.run("fashion-mnist", "dnn3", "vpn-dnn3", 0, 10, options=o) for o in options]
    yield row(
        "best validation accuracy, %", *(f"{100 * max(r['history']['val_accuracy']):.2f}" for r in runs)
    )
    yield row("mean of σ", *(f"{r['history']['std_mean'][-1]:.3f}" for r in runs))


def search_page(f):
    settings = list(_settings.SETTINGS)
    tried = {k: f.tried("dnn3", k) for k in settings}
    yield f"The table has {len(tried)} settings."
    for name, first, second in _search.COMPARED:
        fields = []
        for condition in ("", *HARD):
            a, b = (_search.ROWS_OF_A_SETTING[i] for i in (first, second))
            d = np.array([f.difference(rows, a, b, condition).mean for rows in tried.values()])
            fields.append(f"{signed(np.median(d))} ({np.sum(d > 0)})")
        yield row(name, *fields)
    std = [r["std"] for r in tried["5,000 images"]["vpn-dnn3"]]
    mean, rms = (f"{np.mean([s[k] for s in std]):.3f}" for k in ("std_mean", "std_rms"))
    yield f"{mean} in the mean and {rms} in RMS with bounded σ, κ = 1 and a constant schedule"
    yield from unusual_intervals(f, tried)
    yield from confirmed(f)


def unusual_intervals(f, tried):
    """Of three seeds, with noise of σ 0.3: the intervals without 0."""
    names = {
        "5,000 images": "5,000 images",
        "soft labels, half the baseline's": "soft labels",
        "entropy reward β = 0.01": "β = 0.01",
    }
    three = {k: rows for k, rows in tried.items() if len(rows["baseline"]) >= 3}
    for control, wanted in (("matched-dnn3", names), ("power-dnn3", {})):
        found = {k: f.difference(rows, "vpn-dnn3", control, "noise 0.3") for k, rows in three.items()}
        assert {k for k, d in found.items() if d.mean - d.half > 0} == set(wanted)
        for k, name in wanted.items():
            yield row(name, str(found[k]))
    k = "σ from 0.05 to 0.5"
    assert found[k].mean + found[k].half < 0
    assert [x for x, d in found.items() if d.mean + d.half < 0] == [k]
    yield f"with “{k}”: {found[k]}"


def confirmed(f):
    settings = ("5,000 images", "soft labels, half the baseline's", "40 % wrong labels, β = 0.1")
    tried = [f.tried("dnn3", k, test=True) for k in settings]
    for name, second in (("VPN − baseline", "baseline"), ("VPN − Gaussian of its RMS σ", "power-dnn3")):
        found = [f.difference(rows, "vpn-dnn3", second, test=True) for rows in tried]
        assert all(d.mean - d.half < 0 < d.mean + d.half for d in found)
        yield row(name, *map(str, found))
    for c in HARD[1:]:
        found = [f.difference(rows, "vpn-dnn3", "power-dnn3", c, True) for rows in tried]
        assert all(d.mean - d.half < 0 < d.mean + d.half for d in found)
    few, soft, wrong = tried
    above = {
        ("half the contrast", "5,000 images"): f.difference(
            few, "vpn-dnn3", "matched-dnn3", "contrast 0.5", True
        ),
        ("half the contrast", "soft labels"): f.difference(
            soft, "vpn-dnn3", "matched-dnn3", "contrast 0.5", True
        ),
        ("noise of σ 0.3", "soft labels"): f.difference(soft, "vpn-dnn3", "matched-dnn3", "noise 0.3", True),
    }
    for (condition, name), d in above.items():
        assert d.mean - d.half > 0
        yield row(condition, name, str(d))
    d = f.difference(wrong, "vpn-dnn3", "baseline", test=True, noise="classwise")
    yield f"costs {-d.mean:.2f} [{-d.mean - d.half:.2f}, {-d.mean + d.half:.2f}] points"


def explain_page(f):
    rows = {
        fields[1].rsplit("; ", 1)[0]: fields
        for fields in f.explain.rows()
        if fields[1].endswith(" 40 epochs")
    }
    names = {
        "5,000 images": "bounded σ, κ = 1, constant schedule",
        "cosine schedule": "the same, cosine schedule",
    }
    for name in (
        "5,000 images",
        "cosine schedule",
        "entropy reward β = 0.01",
        "entropy reward β = 0.01, σ from 0.01 to 1",
        "entropy reward β = 0.1",
        "σ from 0.05 to 0.5",
        "σ from 0.1 to 1",
    ):
        seeds = rows[name][1].rsplit("; ", 1)[1].split()[0]
        yield row(names.get(name, name), seeds, rows[name][2], rows[name][3])
    forced = rows["σ from 0.05 to 0.5"]
    assert forced[1].split("; ")[1].startswith("3 seeds")
    yield f"over three seeds with σ from 0.05 to 0.5, the rank correlation is {forced[3]}"
    own = rows["σ from 0.1 to 1"][5:]
    as_std, evenly, shuffled, gradient = (float(field.split("\n")[-1]) for field in own)
    yield row("as σ says", f"{as_std:.1f}")
    yield row("as σ says, with the pixels shuffled", f"{shuffled:.1f}")
    yield row("where the gradient is small", f"{gradient:.1f}")
    yield row("evenly", f"{evenly:.1f}")
    yield (
        f"Of the {as_std - evenly:.0f} points between the first line and the last, "
        f"{shuffled - evenly:.1f} come from concentrating the noise on few pixels and "
        f"{as_std - shuffled:.1f} from which pixels they are."
    )


def defaults_page(f):
    bounded = {"std": "bounded", "label_coefficient": 1.0}
    lines = {
        ("no noise", "–", "–", "constant"): ("baseline", {}),
        ("no noise", "–", "–", "cosine"): ("baseline", {"schedule": "cosine"}),
        ("abs", "0", "0.01", "constant"): ("vpn-dnn3", {}),
        ("rms", "0", "1", "constant"): ("vpn-dnn3", bounded | {"std": "rms"}),
        ("bounded", "0", "0.01", "constant"): ("vpn-dnn3", bounded | {"label_coefficient": 0.01}),
        ("bounded", "1", "1", "constant"): ("vpn-dnn3", bounded | {"base_loss_weight": 1.0}),
        ("bounded", "0", "1", "constant"): ("vpn-dnn3", bounded),
        ("bounded", "0", "1", "cosine"): ("vpn-dnn3", bounded | {"schedule": "cosine"}),
    }
    accuracies = {}
    for names, (trained, options) in lines.items():
        r = f.run("fashion-mnist", "dnn3", trained, 0, 40, 5000, options=options, test=False)
        score = r["validation"]["none"]
        accuracies[names] = 100 * score["accuracy"]
        change = "" if r["std"] is None else f"{100 * r['std']['std_label_change']:.2g} %"
        yield row(*names, f"{accuracies[names]:.2f}", f"{score['cross_entropy']:.4f}", change)
    same = [v for k, v in accuracies.items() if k[0] != "no noise" and k[3] == "constant"]
    yield f"within {max(same) - min(same):.2f} points"
    plain = accuracies["no noise", "–", "–", "cosine"] - accuracies["no noise", "–", "–", "constant"]
    noisy = accuracies["bounded", "0", "1", "cosine"] - accuracies["bounded", "0", "1", "constant"]
    yield f"by {plain:.2f} points without noise and by {noisy:.2f} with it"
    vpn, both = (f.cost["dnn3"][k]["training"] for k in ("VPN", "VPN, λ = 1"))
    yield f"{both / vpn:.1f} times as fast as λ = 1 ({vpn:.2f} instead of {both:.2f} s an epoch"


def cost_page(f):
    names = {"no noise": "no noise", "gaussian": "Gaussian noise", "VPN": "VPN"}
    names |= {"VPN, λ = 1": "VPN, λ = 1", "VPN, m = 4": "VPN, m = 4"}
    small, large = f.cost["sr"], f.cost["dnn3"]
    for key, name in names.items():
        fields = [
            f"{small[key]['training']:.2f} s",
            f"{large[key]['training']:.2f} s",
            f"{large[key]['none']:.2f} s",
            "",
        ]
        if "classwise" in large[key]:
            fields[3] = f"{large[key]['classwise']:.2f} s"
        base = small["no noise"]["training"], large["no noise"]["training"], *[large["no noise"]["none"]] * 2
        times = (
            small[key]["training"],
            large[key]["training"],
            large[key]["none"],
            large[key].get("classwise", 0),
        )
        if key != "no noise":
            ratios = [t / b for t, b in zip(times, base, strict=True)]
            fields = [
                x and f"{x}, × {r:.0f}" if r >= 10 else x and f"{x}, × {r:.1f}"
                for x, r in zip(fields, ratios, strict=True)
            ]
        yield row(name, *fields)
    yield f"{longer(f):.1f} times as long with `dnn3`"
    yield f"takes {large['VPN']['classwise'] / large['no noise']['none']:.0f} times as long"


PAGES = {
    "results.md": results_page,
    "results/accuracy.md": accuracy_page,
    "results/search.md": search_page,
    "results/explain.md": explain_page,
    "results/defaults.md": defaults_page,
    "results/cost.md": cost_page,
}
# Decimal numbers that are settings, or no result of a run.
SETTINGS = {
    "results.md": {"1.4", "2.5", "0.8", "1.8", "0.2", "0.6"},  # of speed and streaming
    "results/accuracy.md": {"0.001", "0.01", "0.2", "0.1", "1.6"},  # Adam, jitter, a bound of σ, √(¼ / 1,000)
    "results/search.md": {"0.1", "0.3"},
    "results/explain.md": {"0.01", "0.05", "0.1", "0.4"},
    "results/defaults.md": {"0.001", "0.01"},
    "results/cost.md": {"2.7", "1.9"},  # millions of weights
}


def plain(text):
    """Text without line breaks: quotes may be wrapped anywhere."""
    return " ".join(text.split())


def missing(page, quotes):
    return [q for q in quotes if plain(q) not in page]


def unquoted(page, quotes):
    """The decimal numbers that are left when all quotes are taken out."""
    for q in sorted(map(plain, quotes), key=len, reverse=True):
        page = page.replace(q, "")
    return set(re.findall(r"\d+\.\d+", re.sub(r"\]\([^)]*\)", "", page)))


@pytest.mark.parametrize("name", ["table1", "table4", "search", "confirm", "explain"])
def test_a_report_is_computed_from_the_packed_runs(folder, name):
    report = folder.reports.get(name) or getattr(folder, name)
    assert report.to_markdown() == (DOCS / "repro" / f"{name}.md").read_text()


def test_the_check_of_reports_sees_a_changed_run(folder):
    changed = json.loads(json.dumps(folder.results))
    run = next(r for r in changed if r["id"] == "fashion-mnist_sr_vpn-dnn3_e40_s0")
    run["test"]["none"]["accuracy"] += 0.01
    report = Report("table1", changed, DOCS / "repro", ("md", "png"))
    assert report.to_markdown() != (DOCS / "repro" / "table1.md").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_quotes_the_runs(folder, name):
    page, quotes = plain((DOCS / name).read_text()), list(PAGES[name](folder))
    assert not missing(page, quotes)
    assert unquoted(page, quotes) <= SETTINGS[name]


@pytest.mark.parametrize("name", PAGES)
def test_a_changed_number_is_found(folder, name):
    """Each decimal of each quote, changed on the page in its last digit."""
    page, quotes = plain((DOCS / name).read_text()), [plain(q) for q in PAGES[name](folder)]
    changes = 0
    for quote in quotes:
        for number in re.finditer(r"\d+\.\d+", quote):
            digit = str((int(number[0][-1]) + 1) % 10)
            wrong = quote[: number.end() - 1] + digit + quote[number.end() :]
            assert missing(page.replace(quote, wrong), quotes), f"{quote} became {wrong}"
            changes += 1
    assert changes > 1


def test_the_folder_is_small(folder):
    """A file of runs per table, pictures as PNG alone, arrays where a figure is drawn from them."""
    kinds = {p.suffix for p in (DOCS / "repro").iterdir() if p.is_file()}
    assert kinds <= {".md", ".png", ".json"}
    assert {p.suffix for p in (DOCS / "repro" / "runs").iterdir()} <= {".jsonl", ".npz", ".lock", ".part"}
    drawn = [Run(d, "dnn3", "vpn-dnn3") for d in ("fashion-mnist", "cifar-10", "tiny-imagenet")]
    drawn.append(Run("cifar-10", "dnn3", "vpn-resnet18", epochs=5))
    last = _settings.SETTINGS["entropy reward β = 0.01, σ from 0.01 to 1"]
    drawn.append(Run("fashion-mnist", "dnn3", "vpn-dnn3", **last, test=False))
    assert {f"{r.id}.npz" for r in drawn} <= {p.name for p in (DOCS / "repro" / "runs").iterdir()}


def pages():
    return [DOCS / "results.md", DOCS / "scaling.md", *DOCS.glob("results/*.md"), *DOCS.glob("repro/*.md")]


def anchors(path):
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def test_links_lead_somewhere(folder):
    for page in pages():
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            target, _, anchor = link.partition("#")
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name} links {link}"
            assert not anchor or anchor in anchors(path), f"{page.name} links {link}"


def test_prose_is_wrapped(folder):
    """At 100 columns, apart from tables, code and commands."""
    for page in pages():
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        long = [x for x in text.split("\n") if len(x) > 100 and x[:1] != "|" and ": `python -m" not in x]
        assert not long, f"{page.name}: {long[0]}"
