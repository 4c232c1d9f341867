"""Fill the documents' tables with the output of the commands they name; --check only compares.

A table stands between <!-- acmix COMMAND ... --> and <!-- end -->.
"""

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

from acmix.cli import main

TABLE = re.compile(r"(<!-- acmix (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(match: re.Match) -> str:
    """Run the named command and put what it prints between the markers."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if main(shlex.split(match[2])):
            sys.exit(f"'acmix {match[2]}' failed.")
    return f"{match[1]}{printed.getvalue().strip()}\n{match[3]}"


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--check", action="store_true")
options = parser.parse_args()
os.chdir(Path(__file__).resolve().parent.parent)
for document in [Path("README.md"), *sorted(Path("docs").glob("*.md"))]:
    new = TABLE.sub(fill, old := document.read_text(encoding="utf-8"))
    if options.check and new != old:
        sys.exit(f"{document}: tables are not what their commands print; run this without --check.")
    document.write_text(new, encoding="utf-8")
