"""Lists of targets that stand outside the configuration, kept up to date: file_sd and http_sd."""
