"""Writes the letters of an alphabet that a text does not hold: letters.py ALPHABET TEXT."""

import json
import os
import sys
from pathlib import Path

alphabet, text = sys.argv[1:]
missing = sorted(set(alphabet) - set(text))
print("missing:", ", ".join(missing) or "none")
Path(os.environ["PIPECTL_OUTPUT"]).write_text(json.dumps(missing))
