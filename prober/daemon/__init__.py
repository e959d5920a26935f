"""The daemon: loads, wires, reloads and serves; may touch signals, processes and all rooms."""
