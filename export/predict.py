"""The command `acmix predict` for those who look for it here: an exported file and images."""

import sys

from acmix.cli import main

sys.exit(main(["predict", *sys.argv[1:]]))
