"""Who carries a program out: the scheduler, threads, and what both write down."""
