#!/usr/bin/env python3
"""Counts the instructions of the service for each call and each delivery, which a noisy machine does not disturb.

    cargo build --release -p presence-api -p loadgen
    bench/instructions.py [--record]

The service runs in valgrind's callgrind; each case is run twice, for a shorter and for a longer time, and what is counted is
the difference, so that connecting does not count. Only user space is seen. bench/instructions.json holds what is budgeted;
--record writes it. Exits with 0 where valgrind is missing, and says so.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "target/release"
BUDGETS = ROOT / "bench/instructions.json"
# Repeated runs of one build differ by some per cent: how many messages one read brings depends on the moment.
TOLERANCE = 1.10
CASES = {
    "GetUserStatus, json": "calls --connections 20 --protocol json",
    "GetUserStatus, messagepack": "calls --connections 20 --protocol messagepack",
    "BroadcastOnlineStatus, json": "announce --connections 20 --protocol json",
    "delivery to one of 100, json": "fanout --watchers 100 --protocol json",
    "delivery, 16 events in flight, json": "fanout --watchers 100 --in-flight 16 --protocol json",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Service:
    """The service in callgrind."""

    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        environment = {**os.environ, "Logging__LogLevel__Default": "Warning", "TOKIO_WORKER_THREADS": "1"}
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", BIN / "presence-api", "dev",
             "--urls", f"http://127.0.0.1:{self.port}", "--Kestrel:Grpc:Url", f"http://127.0.0.1:{free_port()}"],
            env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("instructions: the service does not start in valgrind")
            time.sleep(0.1)

    def control(self, *arguments):
        subprocess.run(["callgrind_control", *arguments, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def load(self, arguments, seconds):
        """Instructions and what was counted."""
        self.control("--zero")
        out = self.directory / "rows.json"
        base = f"http://127.0.0.1:{self.port}"
        subprocess.run(
            [BIN / "loadgen", *arguments.split(), "--url", f"{base}/_hubs/presence", "--token-url",
             base + "/dev/token?user={user}", "--pid", str(self.process.pid), "--connecting", "4", "--warm-up", "0",
             "--seconds", str(seconds), "--json", out], check=True, stdout=subprocess.DEVNULL)
        before = set(self.directory.glob("out.*"))
        self.control("--dump")
        (dump,) = set(self.directory.glob("out.*")) - before
        total = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
        return int(total.group(1)), json.loads(out.read_text())[0]["count"]

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def difference(service, arguments):
    (short, few), (long, many) = service.load(arguments, 0.3), service.load(arguments, 1.5)
    return round((long - short) / max(many - few, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write what was counted as the new budgets")
    options = parser.parse_args()
    if not (shutil.which("valgrind") and shutil.which("callgrind_control")):
        print("instructions: skipped, there is no valgrind")
        return 0
    for name in ("presence-api", "loadgen"):
        if not (BIN / name).exists():
            print(f"instructions: skipped, {BIN / name} is not built: cargo build --release -p presence-api -p loadgen")
            return 0
    budgets = json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    counted, exceeded = {}, False
    with tempfile.TemporaryDirectory(prefix="instructions-") as directory:
        service = Service(pathlib.Path(directory))
        try:
            for name, arguments in CASES.items():
                service.load(arguments, 0.3)  # every table has grown before it counts
                counted[name] = min(difference(service, arguments) for _ in range(2))
                budget = budgets.get(name)
                over = budget is not None and counted[name] > budget * TOLERANCE
                exceeded = exceeded or over
                print(f"{name:40} {counted[name]:8,} instructions, budget {budget or '-'}{'  EXCEEDED' if over else ''}", flush=True)
        finally:
            service.stop()
    if options.record:
        BUDGETS.write_text(json.dumps(counted, indent=2) + "\n")
        return 0
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
