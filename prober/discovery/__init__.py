"""Target lists outside the configuration (file_sd and http_sd), kept up to date."""
