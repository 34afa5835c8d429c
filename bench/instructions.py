#!/usr/bin/env python3
"""Counts the instructions of the service for each call and each delivery, which a noisy machine does not disturb.

    cargo build --release -p presence-api -p loadgen
    bench/instructions.py [--record]

The service runs in valgrind's callgrind; each case is run twice, for a shorter and for a longer time, and what is counted is
the difference, so that connecting does not count. Only user space is seen. bench/instructions.json holds what is budgeted;
--record writes it. Exits with 0 where valgrind is missing, and says so; cases with Redis are left out where that is missing.
"""
import argparse
import json
import re
import shutil
import subprocess
import sys

import compare

BUDGETS = compare.ROOT / "bench/instructions.json"
# Repeated runs of one build differ by some per cent: how many messages one read brings depends on the moment.
TOLERANCE = 1.10
# name: (arguments of loadgen, protocol)
CASES = {
    "GetUserStatus, json": ("calls --connections 20", "json"),
    "GetUserStatus, messagepack": ("calls --connections 20", "messagepack"),
    "BroadcastOnlineStatus, json": ("announce --connections 20", "json"),
    "delivery to one of 100, json": ("fanout --watchers 100", "json"),
    "delivery, 16 events in flight, json": ("fanout --watchers 100 --in-flight 16", "json"),
    "GetUsersStatus of 100": ("grpc --ids 100 --connections 10", "json"),
}
CASES_REDIS = {
    "GetUserStatus, json, with Redis": ("calls --connections 20", "json"),
    "BroadcastOnlineStatus, json, with Redis": ("announce --connections 20", "json"),
    "GetUsersStatus of 100, with Redis": ("grpc --ids 100 --connections 10", "json"),
}


class Counted:
    """The service in callgrind."""

    def __init__(self, lab):
        self.directory = lab.directory
        self.server = compare.ours(lab, TOKIO_WORKER_THREADS="1")
        self.server.command[:0] = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={lab.directory}/out"]

    def control(self, *arguments):
        subprocess.run(["callgrind_control", *arguments, str(self.server.process.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def load(self, case, seconds):
        """Instructions and what was counted."""
        self.control("--zero")
        rows = self.server.load(*case, seconds, "--connecting", 4, "--warm-up", 0)
        if not rows:
            raise SystemExit("instructions: the load failed")
        before = set(self.directory.glob("out.*"))
        self.control("--dump")
        (dump,) = set(self.directory.glob("out.*")) - before
        total = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
        (row,) = rows.values()
        return int(total.group(1)), row["count"]

    def each(self, case):
        """Instructions for one of what the case counts."""
        (short, few), (long, many) = self.load(case, 0.3), self.load(case, 1.5)
        return round((long - short) / max(many - few, 1))


def count(cases, with_redis, budgets):
    """Instructions by name; tells each beside its budget."""
    counted = {}
    lab = compare.Lab(with_redis)
    service = Counted(lab)
    try:
        service.server.start()
        for name, case in cases.items():
            service.load(case, 0.3)  # every table has grown before it counts
            counted[name] = min(service.each(case) for _ in range(2))
            over = "  EXCEEDED" if exceeds(counted[name], budgets.get(name)) else ""
            budget = budgets.get(name, "not recorded")
            print(f"{name:40} {counted[name]:8,} instructions, budget {budget}{over}", flush=True)
    finally:
        service.server.stop()
        lab.end()
    return counted


def exceeds(counted, budget):
    return budget is not None and counted > budget * TOLERANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write what was counted as the new budgets")
    options = parser.parse_args()
    if not (shutil.which("valgrind") and shutil.which("callgrind_control")):
        print("instructions: skipped, there is no valgrind")
        return 0
    compare.need_programs("instructions")
    budgets = json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    counted = count(CASES, False, budgets)
    if shutil.which("redis-server"):
        counted |= count(CASES_REDIS, True, budgets)
    else:
        print("instructions: there is no redis-server, what needs it is left out")
    if options.record:
        kept = {name: budget for name, budget in budgets.items() if name in CASES | CASES_REDIS}
        BUDGETS.write_text(json.dumps(kept | counted, indent=2) + "\n")
        return 0
    return 1 if any(exceeds(value, budgets.get(name)) for name, value in counted.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
