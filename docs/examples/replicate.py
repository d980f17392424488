#!/usr/bin/env python3
"""Drives a chameleon coordinator from another language.

Registers a source of the configuration, copies it, follows it until it has caught up (lag at most
--lag seconds, nothing waiting for replay), and stops it again. Everything it needs besides Python:

    apt-get install python3-grpcio python3-grpc-tools
    python3 -m grpc_tools.protoc -I proto --python_out=OUT --grpc_python_out=OUT \
        chameleon/v1/types.proto chameleon/v1/status.proto chameleon/v1/control.proto
    PYTHONPATH=OUT docs/examples/replicate.py --address HOST:PORT --tls-ca ca.pem \
        --token-file client.token --source mysql

The meaning of each call is in docs/api.md.
"""

import argparse
import sys
import time

import grpc

from chameleon.v1 import control_pb2 as control
from chameleon.v1 import control_pb2_grpc as control_grpc
from chameleon.v1 import status_pb2
from chameleon.v1 import types_pb2 as types


def detail_of(error):
    """The machine-readable part of an error: (reason, object, hint); empty texts without one.

    It travels in the trailing metadata, packed into a google.rpc.Status. With the package
    grpcio-status, rpc_status.from_call(error).details is the same.
    """
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in status_pb2.RpcStatus.FromString(value).details:
                detail = types.ErrorDetail()
                if packed.Unpack(detail):
                    return detail.reason, detail.object, detail.hint
    return "", "", ""


def channel_to(address, ca_file, cert_file, key_file, token):
    """TLS with the coordinator's authority, and the token in each call."""

    def read(path):
        if not path:
            return None
        with open(path, "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read(ca_file), read(key_file), read(cert_file))
    calls = grpc.access_token_call_credentials(token)
    # A peer that was cut off is found within seconds.
    options = [("grpc.keepalive_time_ms", 5000), ("grpc.keepalive_timeout_ms", 5000)]
    return grpc.secure_channel(
        address, grpc.composite_channel_credentials(credentials, calls), options
    )


def follow(stub, operation):
    """Waits for a long command, printing how far it is; returns how it ended."""
    names = control.Operation.State
    for operation in stub.WatchOperation(control.OperationRequest(id=operation.id)):
        progress = operation.progress
        print(
            f"{operation.command}: {names.Name(operation.state).lower()} {progress.phase} "
            f"{progress.tables_done}/{progress.tables_total} tables, {progress.rows} rows",
            flush=True,
        )
    if operation.state != control.Operation.SUCCEEDED:
        raise RuntimeError(f"{operation.command}: {operation.error_message}")
    return operation.result


def add_source(stub, source):
    try:
        print(stub.AddSource(source).message)
    except grpc.RpcError as error:
        # Run again: what is there already is what we wanted.
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        print(f"{source.source} was added before")


def wait_until_caught_up(stub, source, lag_s, limit_s):
    deadline = time.monotonic() + limit_s
    while True:
        answer = stub.ShowStatus(
            control.ShowStatusRequest(config=source.config, source=source.source)
        )
        status = answer.sources[0]
        print(
            f"{types.SourceState.Name(status.state).lower()}: read lag {status.read_lag_s:.1f} s, "
            f"replay lag {status.replay_lag_s:.1f} s, {status.changes_pending} changes waiting "
            f"({status.activity})",
            flush=True,
        )
        if status.state == types.ERROR:
            raise RuntimeError(status.last_error)
        # Negative: not known yet.
        if 0 <= status.read_lag_s <= lag_s and 0 <= status.replay_lag_s <= lag_s:
            if status.batches_pending == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not caught up after {limit_s} s")
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls-ca", required=True)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--config", default="default")
    parser.add_argument("--source", required=True)
    parser.add_argument("--lag", type=float, default=1.0, help="seconds")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds")
    arguments = parser.parse_args()

    with open(arguments.token_file, encoding="ascii") as file:
        token = file.readline().strip()
    source = control.SourceRequest(config=arguments.config, source=arguments.source)
    with channel_to(
        arguments.address, arguments.tls_ca, arguments.tls_cert, arguments.tls_key, token
    ) as channel:
        stub = control_grpc.ControlServiceStub(channel)
        version = stub.GetVersion(control.GetVersionRequest())
        print(f"coordinator {version.version}")
        add_source(stub, source)
        print(follow(stub, stub.InitReplica(source)))
        print(stub.StartReplica(source).message)
        wait_until_caught_up(stub, source, arguments.lag, arguments.timeout)
        print(stub.StopReplica(source).message)


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as failure:
        reason, _, _ = detail_of(failure)
        print(f"error: {failure.code().name} {reason}: {failure.details()}", file=sys.stderr)
        sys.exit(1)
    except (RuntimeError, TimeoutError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
