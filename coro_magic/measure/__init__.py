"""What a run came to: `Run`, its comparison with the baseline, and the options it was made with."""
