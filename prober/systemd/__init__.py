"""systemd integration: readiness, status line, watchdog; touches the notify socket."""
