"""Shows what run.py measured: as ratios, as a Markdown table and as a plot."""

import statistics

import rows

NAMES = {
    "govpn": "govpn",
    "govpn-go": "govpn, `go`",
    "torch": "PyTorch",
    "torch-compile": "torch.compile",
    "jax": "JAX",
}
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#555555"  # by Okabe and Ito; the colour-blind can tell them apart


def ratios(row, result, device):
    """Returns name → {"ratio", "target"}: ours ÷ theirs in speed, theirs ÷ ours in time and memory."""
    done = {n: r for n, r in result["contestants"].items() if "images_per_second" in r}
    ours, jax = done.get("govpn"), done.get("jax")
    torches = [done[n] for n in ("torch", "torch-compile") if n in done]
    best = max(torches, key=lambda r: r["images_per_second"], default=None)
    want_torch, want_jax, want_go = row.target(device)

    def speed(a, b):
        return (
            statistics.median(x / y for x, y in zip(a["rounds"], b["rounds"], strict=True))
            if a and b
            else None
        )

    def theirs(key, b):
        return b[key] / ours[key] if ours and b and ours.get(key) and b.get(key) else None

    found = {
        "speed/PyTorch": (speed(ours, best), want_torch),
        "speed/JAX": (speed(ours, jax), want_jax),
        "go/PyTorch": (speed(done.get("govpn-go"), done.get("torch")), want_go),
        "first step/PyTorch": (theirs("first_s", best), rows.FIRST_STEP[0]),
        "first step/JAX": (theirs("first_s", jax), rows.FIRST_STEP[1]),
    }
    for kind, key in (("memory", "rss_mib"), ("device memory", "device_mib")):
        for name, peer, want in zip(("PyTorch", "JAX"), (best, jax), rows.MEMORY, strict=True):
            found[f"{kind}/{name}"] = (theirs(key, peer), want)
    return {name: {"ratio": r, "target": t} for name, (r, t) in found.items() if r is not None}


def cell(found, name):
    """Returns a ratio, in bold if it reaches its target."""
    if name not in found:
        return "–"
    ratio, target = found[name]["ratio"], found[name]["target"]
    return f"**{ratio:.2f}**" if target is not None and ratio >= target else f"{ratio:.2f}"


def targets(row, device):
    return " / ".join("–" if t is None else str(t) for t in row.target(device)[:2])


def markdown(head, lines):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def speeds(result):
    """Returns the figures of every contestant of a row, or why there are none."""
    for name, r in result["contestants"].items():
        title = NAMES[name] + (f" ({r['variant']})" if r.get("variant") else "")
        if "error" in r:
            yield [title, r["error"].replace("\n", " ").replace("|", "/")[:120], *["–"] * 5]
            continue
        numbers = (r["images_per_second"], min(r["rounds"]), max(r["rounds"]))
        first, loss, device = r["first_s"], r["loss"], r["device_mib"]
        yield [
            title,
            *(f"{n:,.0f}" if n >= 100 else f"{n:.2f}" for n in numbers),
            f"{first:.1f}" if first else "–",
            f"{r['rss_mib']:.0f}" + (f" / {device:.0f}" if device else ""),
            f"{loss:.3f}" if loss is not None else "–",
        ]


def table(about):
    """Returns the report as Markdown: ratios with targets, then the figures behind them."""
    versions = {
        r["version"] for x in about["rows"].values() for r in x["contestants"].values() if "version" in r
    }
    machine = about.get("gpu") or f"{about['threads'] or 'all'} threads of {about['cpu']}"
    where = f"Device `{about['device']}`, {machine}, {about['date']}"
    how = f"medians of {about['rounds']} rounds in turns; {'; '.join(sorted(versions))}"
    names = ["first step/JAX", "memory/PyTorch", "memory/JAX"]
    head = ["work (batch)", "speed ÷ PyTorch¹", "÷ JAX", "target"]
    head += [
        f"{t} (target {rows.MEMORY[0]})"
        for t in ("first step, JAX ÷ ours", "memory², PyTorch ÷ ours", "JAX ÷ ours")
    ]
    if about["device"] == "cuda":
        names += ["device memory/PyTorch", "device memory/JAX"]
        head += [f"{t} (target {rows.MEMORY[0]})" for t in ("device memory, PyTorch ÷ ours", "JAX ÷ ours")]
    else:
        names.append("go/PyTorch")
        head += ["speed of `go` ÷ eager PyTorch", "target"]
    lines, figures, warnings = [], [], []
    for row in (r for r in rows.ROWS + rows.HALF if r.name in about["rows"]):
        result = about["rows"][row.name]
        title, found = f"{row.name} ({result['batch']})", result["ratios"]
        line = [title, cell(found, "speed/PyTorch"), cell(found, "speed/JAX"), targets(row, about["device"])]
        line += [cell(found, n) for n in names]
        lines.append(line if about["device"] == "cuda" else [*line, str(row.target("cpu")[2] or "–")])
        figures += [[title, *cells] for cells in speeds(result)]
        warnings += [f"{row.name}: {result['warning']}"] if "warning" in result else []
    columns = ["work (batch)", "contestant (variant)", "images/s", "lowest", "highest", "first step, s"]
    columns += ["peak MiB" + (", host / device" if about["device"] == "cuda" else ""), "loss"]
    parts = [f"{where}; {how}. Bold: the target is reached.", markdown(head, lines)]
    parts += [
        "¹ the faster of eager PyTorch (fused Adam) and torch.compile.",
        *warnings,
        markdown(columns, figures),
    ]
    return "\n\n".join(parts) + "\n"


def plot(about, path):
    """Draws bars of the speed ratios, with a line at 1 and a mark at the target."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot, ticker

    work = list(about["rows"].items())[::-1]
    bars = (
        ("speed/PyTorch", "÷ PyTorch, best of eager and compiled", BLUE, 0.2),
        ("speed/JAX", "÷ JAX", ORANGE, -0.2),
    )
    figure, axes = pyplot.subplots(figsize=(8, 1.6 + 0.5 * len(work)), layout="constrained")
    for name, label, colour, shift in bars:
        at = [(y + shift, r["ratios"][name]) for y, (_, r) in enumerate(work) if name in r["ratios"]]
        values = [x["ratio"] for _, x in at]
        drawn = axes.barh(
            [y for y, _ in at], [v - 1 for v in values], 0.38, left=1, color=colour, label=label
        )
        for bar, value in zip(drawn, values, strict=True):
            spot = (max(value, 1), bar.get_y() + bar.get_height() / 2)
            axes.annotate(f"{value:.2f}", spot, (4, 0), textcoords="offset points", va="center", fontsize=8)
        wanted = [(x["target"], y) for y, x in at if x["target"]]
        marks = {"marker": "|", "s": 130, "color": "black", "zorder": 3, "linewidths": 1.8}
        axes.scatter(
            *zip(*wanted, strict=True), **marks, label=None if shift < 0 else "target"
        ) if wanted else None
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.5), max(high * 1.15, 2.3))
    axes.margins(y=0.01)
    axes.set_yticks(range(len(work)), [name for name, _ in work], fontsize=9)
    axes.set_xlabel("images per second, govpn ÷ other (log scale): right of 1 is faster")
    axes.set_title(
        f"govpn on {about['device']}, {about.get('gpu') or about['cpu']}, {about['date']}", fontsize=10
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
