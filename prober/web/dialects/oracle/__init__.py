"""Oracle's two load balancer services: one set of handlers, two forms."""
