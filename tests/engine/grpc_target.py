"""gRPC's own server with its own health service, as a program: prints its ports, then serves.

python -m tests.engine.grpc_target KEY_AND_CHAIN_FILE
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICES = {
    "": health_pb2.HealthCheckResponse.SERVING,
    "up": health_pb2.HealthCheckResponse.SERVING,
    "down": health_pb2.HealthCheckResponse.NOT_SERVING,
}


class Guard(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Lets calls pass that bring the token."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        if ("authorization", "Bearer s3cret") in details.invocation_metadata:
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        )


def main() -> None:
    """Serve until standard input ends."""
    pem = Path(sys.argv[1]).read_bytes()
    server = grpc.server(ThreadPoolExecutor())
    servicer = health.HealthServicer()
    for name, status in SERVICES.items():
        servicer.set(name, status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    bare = grpc.server(ThreadPoolExecutor())
    guarded = grpc.server(ThreadPoolExecutor(), interceptors=[Guard()])
    health_pb2_grpc.add_HealthServicer_to_server(servicer, guarded)
    ports = {
        "clear": server.add_insecure_port("127.0.0.1:0"),
        "tls": server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)])),
        "bare": bare.add_insecure_port("127.0.0.1:0"),
        "guarded": guarded.add_insecure_port("127.0.0.1:0"),
    }
    server.start()
    bare.start()
    guarded.start()
    print(json.dumps(ports), flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main()
