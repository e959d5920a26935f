"""The status page: rendered here, alive through one script that asks for it again."""
