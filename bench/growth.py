#!/usr/bin/env python3
"""Measures how the cost of one thing grows with how many there are: at most linearly means that it stays what it is.

    cargo build --release -p presence-api -p loadgen
    [FLOOR=path/to/floor.c] bench/growth.py [--redis] [--rounds N] [--only PART,...] [--scale F] [--json FILE]

Costs are the server's processor time only, from the scheduler's own count, so that the load beside it does not count; on two
processors it still disturbs the caches. The server is on processor 0 and the load on processor 1; with two workers the server
has both, and shares the second with the load. Each is the least value of the rounds: other programs add, and nothing takes
away. What is judged is the growth: the greatest cost at a size over the least at any smaller one.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import compare

# Lists and tables outgrow the caches of a processor, which is not the work that grows, and a table that has just doubled is half
# empty. Over four orders of magnitude that is a factor of two; work that grows would be one of thousands.
GROWTH_MAX = 2
# Nor is what thousands of sockets need in the kernel: a delivery is held against the floor's, which does nothing else.
GROWTH_MAX_OF_FLOOR = 1.15
# Two workers share locks and lines of caches, which one has for itself.
WORKERS_MAX = 1.15
WARM_UP = ["storm --connections 3000", "calls --connections 200", "fanout --watchers 500 --in-flight 4"]

# part: (what it is a series of, sizes, arguments of loadgen, [(title, row, value, whether its growth is judged)])
# Memory is not judged by growth: what a process takes once is shared by few in the small sizes.
SERIES = {
    "storm": ("connections", [100, 1_000, 10_000], "storm --connections {}",
              [("connection: CPU, µs", "storm", "cpu_us", True)]),
    "idle": ("connections", [100, 1_000, 10_000], "idle --connections {}",
             [("connection: memory, bytes", "storm", "rss_bytes_each", False),
              ("idle connection-second: CPU, µs", "idle", "cpu_us", True)]),
    "fanout": ("watchers of one user", [1, 10, 100, 1_000, 9_000], "fanout --watchers {}",
               [("delivery: CPU, µs", "fanout-1", "cpu_us", True)]),
    "watch": ("users that each of 100 connections watches", [1, 100, 10_000], "watch --connections 100 --watched {}",
              [("call that begins or ends it: CPU, µs", "watch", "cpu_us", True),
               ("user watched: memory, bytes", "watch", "rss_bytes_each_watched", False)]),
    "watched": ("users that each of 100 watchers watches", [1, 100, 10_000], "fanout --watchers 100 --watched {}",
                [("delivery: CPU, µs", "fanout-1", "cpu_us", True)]),
}
# Memory is only told of a process without a past.
FRESH = {"idle", "watch"}

KNOWN = [1_000, 10_000, 100_000, 1_000_000]
KNOWN_VALUES = [("user online: heap, bytes", "bytes_each"), ("status question: CPU, ns", "status_ns"),
                ("going and coming back: CPU, ns", "change_ns")]

# title: (arguments of loadgen, row); what one worker and two do
WORKERS = {
    "GetUserStatus, 200 connections: CPU, µs": ("calls --connections 200", "calls"),
    "BroadcastOnlineStatus, 200 connections: CPU, µs": ("announce --connections 200", "announce"),
    "delivery to one of 1,000: CPU, µs": ("fanout --watchers 1000", "fanout-1"),
    "delivery, 16 events in flight: CPU, µs": ("fanout --watchers 1000 --in-flight 16", "fanout-16"),
}
PARTS = [*SERIES, "known", "workers"]


def least(runs, value):
    values = [run[value] for run in runs if run.get(value) is not None]
    return min(values) if values else None


def growth(costs):
    """The greatest cost over the least of a smaller size; none: there are not two."""
    known = [cost for cost in costs if cost]
    grown = [later / earlier for at, earlier in enumerate(known) for later in known[at + 1:]]
    return max(grown) if grown else None


class Table:
    """Prints rows and remembers whether all that is judged is as it should be."""

    def __init__(self):
        self.rows, self.kept = [], True

    def add(self, part, title, sizes, costs, most):
        """`most`: the greatest growth that is allowed; none: it is not judged."""
        grown = growth(costs)
        met = None if most is None or grown is None else grown <= most
        self.kept = self.kept and met is not False
        self.rows.append({"part": part, "title": title, "sizes": sizes, "costs": costs, "growth": grown, "met": met})
        cells = "".join(f"{size:>11}: {compare.show(cost):>9}" for size, cost in zip(sizes, costs))
        word = {None: "not judged", True: "yes", False: "NO"}[met]
        limit = "" if most is None else f" of {compare.show(most)}"
        print(f"{title:46} {cells}   × {compare.show(grown)}{limit}  {word}", flush=True)


def measure_series(lab, table, part, options):
    what, sizes, arguments, values = SERIES[part]
    sizes = [max(1, round(size * options.scale)) for size in sizes]
    sizes = list(dict.fromkeys(sizes))
    print(f"\n{what}:")
    most = measure_floor(lab, table, sizes, options) if part == "fanout" else GROWTH_MAX
    found = {size: [] for size in sizes}
    server = compare.ours(lab)
    try:
        if part not in FRESH:
            server.start()
            warm_up(server)
        for _ in range(options.rounds):
            for size in sizes:
                if part in FRESH:
                    server.start()
                result = server.load(arguments.format(size), "json", options.seconds)
                found[size].append(result)
                if part in FRESH:
                    server.stop()
    finally:
        server.stop()
    for title, row, value, is_judged in values:
        costs = [least([run[row] for run in found[size] if row in run], value) for size in sizes]
        table.add(part, title, sizes, costs, most if is_judged else None)


def measure_floor(lab, table, sizes, options):
    """What a delivery costs the floor; returns how much ours may grow."""
    floors = [] if lab.redis else compare.floor(lab)
    if not floors:
        return GROWTH_MAX
    (floor,) = floors
    _, _, arguments, ((title, row, value, _),) = SERIES["fanout"]
    costs = []
    for size in sizes:
        runs = []
        for _ in range(options.rounds):
            # Started each time: it forgets nobody who closed a connection in order.
            try:
                runs.append(floor.start().load(arguments.format(size), "json", options.seconds))
            finally:
                floor.stop()
        costs.append(least([run[row] for run in runs if row in run], value))
    table.add("floor", f"{title}, the floor", sizes, costs, None)
    return (growth(costs) or 1) * GROWTH_MAX_OF_FLOOR


def warm_up(server):
    for arguments in WARM_UP:
        server.load(arguments, "json", 1)


def measure_known(table, options):
    """Users known to one process: there are more of them than a machine has connections, so the store is asked itself."""
    print("\nusers known to the store in memory:")
    build = ["cargo", "build", "--release", "--locked", "-q", "-p", "presence", "--example", "known"]
    subprocess.run(build, cwd=compare.ROOT, check=True)
    found = {}
    for size in KNOWN:
        for _ in range(options.rounds):
            command = compare.pinned("0", [compare.BIN / "examples/known", size])
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.setdefault(size, []).append(json.loads(done.stdout))
    for title, value in KNOWN_VALUES:
        costs = [least(found[size], value) for size in KNOWN]
        # A million names do not fit into any cache: each question waits for memory some times, which 10³ never do.
        table.add("known", title, KNOWN, costs, GROWTH_MAX if value == "bytes_each" else None)


def measure_workers(lab, table, options):
    print("\nworkers (TOKIO_WORKER_THREADS), one on one processor, two on two:")
    servers = [compare.ours(lab, "0", TOKIO_WORKER_THREADS="1"), compare.ours(lab, "0,1", TOKIO_WORKER_THREADS="2")]
    found = {}
    try:
        for server in servers:
            warm_up(server.start())
        for _ in range(options.rounds):
            for title, (arguments, row) in WORKERS.items():
                for workers, server in enumerate(servers, 1):
                    result = server.load(arguments, "json", options.seconds)
                    if row in result:
                        found.setdefault((title, workers), []).append(result[row])
    finally:
        for server in servers:
            server.stop()
    for title in WORKERS:
        costs = [least(found.get((title, workers), []), "cpu_us") for workers in (1, 2)]
        table.add("workers", title, [1, 2], costs, WORKERS_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", action="store_true", help="with a redis-server of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each measurement lasts")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the sizes of all that is connected or watched")
    parser.add_argument("--only", help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--json", type=pathlib.Path, help="write the table")
    options = parser.parse_args()
    compare.need_programs("growth")
    only = compare.chosen(options.only, PARTS, "growth", "part")
    table = Table()
    lab = compare.Lab(options.redis)
    try:
        for part in SERIES:
            if part in only:
                measure_series(lab, table, part, options)
        if "workers" in only:
            measure_workers(lab, table, options)
    finally:
        lab.end()
    if "known" in only:
        if shutil.which("cargo"):
            measure_known(table, options)
        else:
            print("growth: known is left out, there is no cargo to build it with")
    if options.json:
        options.json.write_text(json.dumps(table.rows, indent=1) + "\n")
    return 0 if table.kept else 1


if __name__ == "__main__":
    sys.exit(main())
