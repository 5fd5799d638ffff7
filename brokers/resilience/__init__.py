"""How a connection keeps its head: latencies, success, a circuit breaker, a budget of requests. Knows no venue."""
