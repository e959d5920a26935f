"""What prober costs, beside its peers and the physical limit, in one run: `python -m bench`."""
