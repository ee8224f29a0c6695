"""Who carries a program out: the scheduler, threads, and what both write down."""

# How many events a trace keeps in detail. Here, because the options must know it without the trace
# (and numpy): 3 million take about 60 MB, and a picture of them three times that for a moment.
DEFAULT_DETAIL = 3_000_000
