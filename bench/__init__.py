"""What prober costs, compared with its peers and a C program: `python -m bench`."""
