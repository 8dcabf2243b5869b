"""Builds the test wikis and serves them until it is told to stop, to try things by hand."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":  # Run as a file, this is not yet part of its package.
    sys.path.insert(0, str(Path(__file__).parents[1]))

from mediawiki.corpus import CORPUS
from mediawiki.farm import SOURCE
from mediawiki.wiki import Wiki

EXAMPLE = """\
{url} serves {hosts}; for example:
  curl -sH 'Host: en.wikipedia.org' '{url}/w/api.php?action=query&titles=Douglas_Adams&format=json'
Ctrl-C stops it."""


def main() -> NoReturn:
    """Serve a fresh copy of the wikis until SIGINT or SIGTERM."""
    arguments = parse()
    if not SOURCE.exists():
        sys.exit(f"MediaWiki is not installed: {Path(__file__).with_name('install.sh')} does it")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with (
        tempfile.TemporaryDirectory() as copy,
        Wiki.build(Path(copy), cache=arguments.directory, port=arguments.port) as wiki,
    ):
        print(EXAMPLE.format(url=wiki.url, hosts=", ".join(map(wiki.host, CORPUS))), flush=True)
        while True:
            signal.pause()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--directory", type=Path, required=True, help="keeps the built wikis for the next start")
    add("--port", type=int, default=0, help="0, the default, takes a free one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
