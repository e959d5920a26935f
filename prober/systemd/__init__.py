"""systemd: readiness, status line, watchdog; touches the notify socket."""
