"""The daemon: loads, wires, reloads and serves; it may touch signals, processes and all rooms."""
