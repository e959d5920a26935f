"""Configurations of other tools, turned into prober's: reads text, opens nothing."""
