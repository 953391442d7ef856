"""python -m govpn.repro table1 --dataset fashion-mnist --base sr --seeds 5"""

from __future__ import annotations

import argparse
import inspect
import signal
import sys
from typing import Any

from .. import repro
from .._printable import printable
from ..errors import GovpnError
from ._document import FORMATS
from ._rows import TABLES

OTHERS = ("fig1", "fig3", "fig4", "fig5", "fig6", "explain", "search", "confirm")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        "python -m govpn.repro",
        description=repro.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("what", choices=(*TABLES, *OTHERS, "pack"))
    p.add_argument("--dataset", action="append", help="again for more; default: all of the table or figure")
    p.add_argument("--base", action="append", help="base classifier, again for more; figures take one")
    p.add_argument("--generator", action="append", help="dnn3 or resnet18, again for more; figures take one")
    p.add_argument("--row", action="append", help="of a table, such as baseline or vpn-dnn3, again for more")
    p.add_argument("--setting", action="append", help="of search, confirm and explain, again for more")
    p.add_argument("--seeds", type=int, help="how many; default: 5, for search and explain 3")
    p.add_argument("--epochs", type=int, help="default: the paper's 40 for sr and dnn3, 100 for the others")
    p.add_argument("--images", type=int, help="size of a stratified training subset; default: all")
    p.add_argument(
        "--eval-images", type=int, help="size of stratified validation and test subsets; default: all"
    )
    p.add_argument("--out", default="govpn-repro", help="the folder of the study (%(default)s)")
    p.add_argument("--data", help="the folder of the data sets; default: $GOVPN_DATA, or shared/data")
    p.add_argument("--device", default="auto", help="auto, go, cpu or cuda")
    p.add_argument(
        "--format",
        action="append",
        choices=FORMATS,
        dest="formats",
        help="of reports and pictures, again for more; default: all",
    )
    p.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether interrupted runs go on",
    )
    p.add_argument("--report-only", action="store_true", help="train nothing, report what has finished")
    return p


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the function's arguments, as far as they were given."""
    given = {k: v for k, v in vars(args).items() if v is not None and k not in ("what", "report_only")}
    if args.what in TABLES:
        names = {"dataset": "datasets", "base": "bases", "generator": "generators", "row": "rows"}
        return {names.get(k, k): v for k, v in given.items()}
    known = inspect.signature(getattr(repro, args.what)).parameters
    lists = {k: f"{k}s" for k in ("dataset", "base", "setting") if f"{k}s" in known} | {"formats": "formats"}
    given = {lists.get(k, k): v[0] if isinstance(v, list) and k not in lists else v for k, v in given.items()}
    shared = ("out", "data", "device", "resume", "formats")
    if unknown := [k for k in given if k not in known and k not in shared]:
        raise SystemExit(f"{args.what} takes no {flag_of(unknown[0])}")
    if args.what == "confirm" and not args.setting:
        raise SystemExit("confirm wants --setting, as chosen by search")
    return given


def flag_of(name: str) -> str:
    """Returns the flag that sets an argument."""
    return next(a.option_strings[0] for a in parser()._actions if a.dest == name)


def packed(args: argparse.Namespace) -> str:
    """Packs the folder. Returns what to print."""
    default = parser().parse_args(["pack"])
    if other := [k for k, v in vars(args).items() if k != "out" and v != getattr(default, k)]:
        raise SystemExit(f"pack takes no {flag_of(other[0])}")
    count = repro.pack(args.out)
    return f"packed: {count} run{'' if count == 1 else 's'} into {args.out}/runs/*.jsonl"


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was learned is kept
    try:
        if args.what == "pack":
            print(packed(args), file=sys.stderr)
            return 0
        result = getattr(repro, args.what)(**arguments(args), train=not args.report_only)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    except GovpnError as error:
        print(f"govpn.repro: {error}", file=sys.stderr)
        return 1
    if hasattr(result, "to_markdown"):
        print(printable(result.to_markdown()))
    print(f"written: {args.out}/{args.what}*", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
