"""The functions' handlers, one file per state.

What importing makes stays. Looking it through for garbage again and again costs a fifth of a cold
start, so it is looked through seldom.
"""

import gc

gc.set_threshold(50_000)
