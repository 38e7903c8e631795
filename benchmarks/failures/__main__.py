"""The command: `python -m benchmarks.failures --help`."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.failures import report
from benchmarks.failures.cases import CASES
from benchmarks.failures.page import page
from benchmarks.failures.peers import PEERS
from benchmarks.failures.run import Chapter, run
from losskit.errors import nearest


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failures",
        description="Inputs on which released losses fail: the libraries that are installed beside losskit and the truth.",
    )
    names = [peer.name for peer in PEERS]
    parser.add_argument(
        "--only", action="append", metavar="PEER", help=f"{', '.join(names)}; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    arguments = parser.parse_args(argv)
    for name in arguments.only or ():
        if name not in names:
            parser.error(
                f'there is no peer "{name}".{nearest(name, names)} The peers are: {", ".join(names)}.'
            )
    if arguments.only and arguments.markdown:
        parser.error("--markdown writes the page of all peers: leave --only out")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the cases; 1 if losskit itself failed one."""
    arguments = _arguments(argv)
    console = Console(stderr=arguments.json, highlight=False, width=None if sys.stdout.isatty() else 160)
    chapters: list[Chapter] = []
    with console.status("") as status:
        for peer in PEERS:
            if arguments.only and peer.name not in arguments.only:
                continue
            status.update(peer.name)
            chapters.append(run(peer, CASES))
            if not arguments.json:
                console.print(report.table(chapters[-1]))
    failed = sum(row.our_verdict.failure is not None for chapter in chapters for row in chapter.rows)
    if arguments.json:
        print(json.dumps(report.as_data(chapters), indent=1, ensure_ascii=False))
    else:
        cases = sum(len(chapter.rows) for chapter in chapters)
        console.print(
            f"peers: {report.summary(chapters)}", f"losskit: right {cases - failed}, wrong {failed}", sep="\n"
        )
    if arguments.markdown is not None:
        arguments.markdown.write_text(page(chapters), encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
