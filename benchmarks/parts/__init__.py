"""What is measured: a function for each part of the page, which runs its cases by turns and says what has to hold."""

from parts.apart import export, lifetimes, startup
from parts.cached import cache
from parts.explorer import redraw
from parts.figures import peers, scorecard
from parts.packs import backfill, before, languages, pack, segments
from parts.scale import wide

PARTS = {
    "pack": pack,
    "before": before,
    "languages": languages,
    "segments": segments,
    "backfill": backfill,
    "scorecard": scorecard,
    "cache": cache,
    "peers": peers,
    "redraw": redraw,
    "wide": wide,
    "startup": startup,
    "export": export,
    "lifetimes": lifetimes,
}
