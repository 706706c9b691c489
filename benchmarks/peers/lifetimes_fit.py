"""BG/NBD by the package lifetimes, in an environment of its own: `python lifetimes_fit.py FILE` prints JSON."""

import json
import sys
from time import process_time

import numpy as np
from lifetimes import BetaGeoFitter

with np.load(sys.argv[1]) as file:
    columns = [file[name].astype(float) for name in ("x", "t_x", "T")]
start = process_time()
model = BetaGeoFitter()
model.fit(*columns)
seconds = process_time() - start
figures = {name: float(model.params_[name]) for name in ("r", "alpha", "a", "b")}
sys.stdout.write("\n" + json.dumps({"seconds": seconds, "figures": figures}))
