"""The demonstration: a configuration and the loopback targets that it probes; opens sockets."""
