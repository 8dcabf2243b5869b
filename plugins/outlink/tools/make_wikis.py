"""Writes `wikis.tsv`: the database of every Wikipedia, and its language as it stands in its host name.

The list of Wikipedias is that of Pywikibot (MIT licence), which follows Wikimedia's own::

    pip install pywikibot==11.9.0
    python tools/make_wikis.py > liftwing_plugin_outlink/wikis.tsv
"""

from __future__ import annotations

import os
import sys

os.environ["PYWIKIBOT_NO_USER_CONFIG"] = "2"

from pywikibot.families.wikipedia_family import Family

# The wiki of Wikipedia's tenth anniversary is a Wikipedia in no language.
NOT_A_LANGUAGE = {"ten"}
# A database keeps its name where a wiki's language code is changed.
RENAMED = {"be-tarask": "be_x_oldwiki"}


def main() -> None:
    """Write the table to standard output."""
    # A closed wiki can still be read.
    languages = {*Family.codes, *Family.closed_wikis} - NOT_A_LANGUAGE
    rows = sorted((RENAMED.get(lang, f"{lang.replace('-', '_')}wiki"), lang) for lang in languages)
    sys.stdout.writelines(f"{wiki_id}\t{lang}\n" for wiki_id, lang in rows)


if __name__ == "__main__":
    main()
