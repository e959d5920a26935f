"""The modules of a blackbox_exporter, in the words of prober."""
