#!/usr/bin/env python3
"""Measures this service beside others, in turns, and holds it against the ceilings of docs/performance.md.

    cargo build --release -p presence-api -p loadgen
    FLOOR=path/to/floor.c PEER=path/to/peer.sh bench/compare.py [--redis] [--rounds N] [--only PART,...] [--json FILE]

FLOOR is a C program that does the least a server can do, PEER a script that starts the same service on ASP.NET Core; each is
left out with a word where it is missing, and so are the ceilings that refer to it. OURS names another presence-api. Servers
run on processor 0, the load on processor 1, or, with --everywhere, all on all of them: what one costs on a machine of its
own, and what it costs where threads may wait for each other. One machine's times change from minute to minute: only what was
measured in turns is compared, by medians.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "target/release"
USERS = 10_001
HUB = "/_hubs/presence"

# name: (arguments of loadgen, row, protocols, needs a fresh process, with a Redis too)
CASES = {
    "crowd": ("idle --connections 10000", ["storm", "idle"], ["json"], True, True),
    "fanout 1000": ("fanout --watchers 1000", ["fanout-1"], ["json", "messagepack"], False, False),
    "fanout 9000": ("fanout --watchers 9000", ["fanout-1"], ["json", "messagepack"], False, False),
    "fanout 1000 x16": ("fanout --watchers 1000 --in-flight 16", ["fanout-16"], ["json", "messagepack"], False, False),
    "calls 200": ("calls --connections 200", ["calls"], ["json", "messagepack"], False, True),
    "calls 1": ("calls --connections 1", ["calls"], ["json", "messagepack"], False, False),
    "announce 200": ("announce --connections 200", ["announce"], ["json", "messagepack"], False, True),
    "slow": ("slow --watchers 1000 --silent 50 --rate 100", ["slow-none", "slow"], ["json"], False, False),
    "grpc": ("grpc --ids 100 --connections 10", ["grpc-100"], ["json"], False, True),
}

# what it is: (case, row, value, how it is held against which server)
CEILINGS = [
    ("connection: CPU, µs", "crowd", "storm", "cpu_us", ("peer", 1 / 6)),
    ("connection: memory, bytes", "crowd", "storm", "rss_bytes_each", ("absolute", 3072)),
    ("process before the first connection, MiB", "crowd", "storm", "rss_before_mib", ("absolute", 20)),
    ("idle connection-second: CPU, µs", "crowd", "idle", "cpu_us", ("peer", 1 / 5)),
    ("fan-out to 1,000: CPU, µs", "fanout 1000", "fanout-1", "cpu_us", ("floor", 1.15)),
    ("fan-out to 1,000: p99, µs", "fanout 1000", "fanout-1", "p99", ("floor+", 2000)),
    ("fan-out to 9,000: CPU, µs", "fanout 9000", "fanout-1", "cpu_us", ("floor", 1.15)),
    ("fan-out to 9,000: p99, µs", "fanout 9000", "fanout-1", "p99", ("floor+", 2000)),
    ("fan-out, 16 in flight: CPU, µs", "fanout 1000 x16", "fanout-16", "cpu_us", ("peer", 1 / 3)),
    ("fan-out, 16 in flight: a second", "fanout 1000 x16", "fanout-16", "rate_per_second", ("peer-rate", 2)),
    ("GetUserStatus, 200 connections: CPU, µs", "calls 200", "calls", "cpu_us", ("floor", 1.4)),
    ("GetUserStatus, one at a time: CPU, µs", "calls 1", "calls", "cpu_us", ("floor", 1.3)),
    ("BroadcastOnlineStatus: CPU, µs", "announce 200", "announce", "cpu_us", ("floor", 1.6)),
    ("50 of 1,000 never read: cost of the others, ratio", "slow", "slow", "cost_ratio", ("absolute", 1.05)),
    ("one that never reads: kernel, KiB", "slow", "slow", "both_ends_kernel_kib_each_silent", ("absolute", 32)),
    ("one that never reads: process, KiB", "slow", "slow", "rss_kib_each_silent", ("absolute", 32)),
    ("GetUsersStatus, 100 ids: CPU, µs", "grpc", "grpc-100", "cpu_us", ("peer", 1 / 8)),
]
CEILINGS_REDIS = [
    ("connection: CPU, µs", "crowd", "storm", "cpu_us", ("peer", 1 / 6)),
    ("connection: Redis's CPU, µs", "crowd", "storm", "redis_cpu_us", ("peer", 1)),
    ("connection: memory, bytes", "crowd", "storm", "rss_bytes_each", ("absolute", 3584)),
    ("idle connection-second: CPU, µs", "crowd", "idle", "cpu_us", ("peer", 1 / 5)),
    ("idle connection-second: Redis's CPU, µs", "crowd", "idle", "redis_cpu_us", ("peer", 1)),
    ("GetUserStatus, 200 connections: CPU, µs", "calls 200", "calls", "cpu_us", ("peer", 1 / 3)),
    ("BroadcastOnlineStatus: CPU, µs", "announce 200", "announce", "cpu_us", ("peer", 1 / 3)),
    ("GetUsersStatus, 100 ids: CPU, µs", "grpc", "grpc-100", "cpu_us", ("peer", 1 / 8)),
]


def need_programs(who):
    """Ends the program where there is nothing to measure."""
    for name in ("presence-api", "loadgen"):
        if not (BIN / name).exists():
            raise SystemExit(f"{who}: {BIN / name} is not built: cargo build --release -p presence-api -p loadgen")


def chosen(text, names, who, what):
    """What --only names of all there is; all, if it is not given."""
    only = text.split(",") if text else list(names)
    unknown = set(only) - set(names)
    if unknown:
        raise SystemExit(f"{who}: no such {what}: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return only


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, process, patience=60):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"compare: {process.args} has ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"compare: {process.args} does not listen within {patience} s")


def pinned(processors, command):
    """The command on these processors ("0", "0,1"); on all for None, and where there is but one or no taskset."""
    if processors and shutil.which("taskset") and os.cpu_count() > 1:
        return ["taskset", "-c", processors, *map(str, command)]
    return list(map(str, command))


class Server:
    """A server that can be started again and again, on some of the processors."""

    def __init__(self, name, command, environment, lab, processors="0"):
        self.name, self.command, self.environment, self.lab = name, command, environment, lab
        self.processors = processors
        self.process = None

    def start(self):
        self.port, self.grpc = free_port(), free_port()
        places = {"PORT": self.port, "GRPC": self.grpc, "AUTHORITY": self.lab.authority, "REDIS": self.lab.redis_address}
        fill = lambda text: text.format(**places)
        environment = {name: fill(value) for name, value in self.environment.items()}
        log = open(self.lab.directory / f"{self.name}.log", "a")
        self.process = subprocess.Popen(
            pinned(self.lab.processors(self.processors), map(fill, self.command)), env={**os.environ, **environment}, cwd=self.lab.directory,
            stdout=log, stderr=log, start_new_session=True)
        wait_for(self.port, self.process)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            # With whatever the script has started.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def load(self, arguments, protocol, seconds, *more):
        """Runs loadgen against it, with more arguments; rows by name."""
        out = self.lab.directory / "rows.json"
        out.unlink(missing_ok=True)
        command = [BIN / "loadgen", *arguments.split(), "--url", f"http://127.0.0.1:{self.port}{HUB}", "--protocol", protocol,
                   "--seconds", seconds, "--json", out, *more]
        if self.name != "floor":
            command += ["--tokens", self.lab.tokens]
        if arguments.startswith("grpc"):
            command += ["--grpc-url", f"http://127.0.0.1:{self.grpc}"]
        if self.lab.redis:
            command += ["--redis-pid", self.lab.redis.pid]
        done = subprocess.run(pinned(self.lab.processors("1"), command), capture_output=True, text=True)
        if done.stderr:
            print(f"    {self.name}: {done.stderr.strip()}")
        if done.returncode != 0:
            return {}
        return {row["case"]: flat(row) for row in json.loads(out.read_text())}


def flat(row):
    values = {**row, **row["more"], **(row["latency_us"] or {})}
    if row["rss_before"] is not None:
        values["rss_before_mib"] = row["rss_before"] / 2**20
    return values


class Lab:
    """The directory, the issuer and the Redis of a run."""

    def __init__(self, with_redis, everywhere=False):
        self.everywhere = everywhere
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
        self.tokens = self.directory / "tokens"
        port = free_port()
        self.authority = f"http://127.0.0.1:{port}"
        self.issuer = subprocess.Popen(
            [BIN / "loadgen", "issuer", "--port", str(port), "--count", str(USERS), "--out", self.tokens],
            stdout=subprocess.DEVNULL)
        self.redis, self.redis_address = None, ""
        if with_redis:
            self.start_redis()
        while not self.tokens.exists():
            if self.issuer.poll() is not None:
                raise SystemExit("compare: there is no token issuer")
            time.sleep(0.1)

    def processors(self, own):
        return None if self.everywhere else own

    def start_redis(self):
        if not shutil.which("redis-server"):
            raise SystemExit("compare: --redis needs redis-server")
        port = free_port()
        self.redis_address = f"127.0.0.1:{port}"
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
             str(self.directory)], stdout=subprocess.DEVNULL)
        wait_for(port, self.redis)

    def end(self):
        for process in (self.issuer, self.redis):
            if process:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def servers(lab):
    # The floor has no store.
    found = [] if lab.redis else floor(lab)
    peer = os.environ.get("PEER")
    if peer and pathlib.Path(peer).is_file():
        environment = {"REF_HTTP": "{PORT}", "REF_GRPC": "{GRPC}", "REF_AUTHORITY": "{AUTHORITY}", "REF_MSGPACK": "1"}
        if lab.redis:
            environment["REF_REDIS"] = "{REDIS}"
        found.append(Server("peer", [peer], environment, lab))
    else:
        print("compare: no peer (PEER names the script that starts it): left out")
    found.append(ours(lab))
    return found


def floor(lab):
    """The floor, in a list; an empty one, said with a word, where it is missing."""
    source = os.environ.get("FLOOR")
    if source and pathlib.Path(source).is_file() and shutil.which("cc"):
        program = lab.directory / "floor"
        subprocess.run(["cc", "-O2", "-w", "-o", program, source], check=True)
        return [Server("floor", [str(program), "{PORT}"], {}, lab)]
    print("no floor (FLOOR names its C source): left out")
    return []


def ours(lab, processors="0", **settings):
    """This service, with more variables of its environment."""
    environment = {
        "ApiAuth__Authority": "{AUTHORITY}", "ApiAuth__RequireHttpsMetadata": "false",
        "Kestrel__Grpc__Url": "http://127.0.0.1:{GRPC}", "Logging__LogLevel__Default": "Warning"}
    environment |= {"Redis__ConnectionString": "{REDIS}"} if lab.redis else {"Presence__Store": "Memory"}
    program = os.environ.get("OURS", BIN / "presence-api")
    command = [str(program), "serve", "--urls", "http://127.0.0.1:{PORT}"]
    return Server("ours", command, environment | settings, lab, processors)


def warm_up(server):
    """Compilers at run time need some ten thousand calls of everything; it is the same for all."""
    if server.name == "floor":
        return
    print(f"  {server.name}: warming up")
    for arguments in ["storm --connections 3000", "calls --connections 200", "announce --connections 200",
                      "fanout --watchers 500 --in-flight 4", "fanout --watchers 500", "grpc"]:
        for protocol in ["json", "messagepack"]:
            server.load(arguments, protocol, 2)


def measure(lab, only, options):
    """Values by (case, protocol, row, server), a list each."""
    found = {}
    all_servers = servers(lab)
    try:
        for server in all_servers:
            server.start()
            warm_up(server)
        for number in range(options.rounds):
            for name, (arguments, rows, protocols, fresh, with_redis) in CASES.items():
                if name not in only or (lab.redis and not with_redis):
                    continue
                for protocol in protocols:
                    print(f"  round {number + 1}: {name}, {protocol}", flush=True)
                    for server in all_servers:
                        if name == "grpc" and server.name == "floor":
                            continue
                        if fresh and number >= options.rounds_fresh:
                            continue
                        # The floor is started each time: it forgets nobody who closed a connection in order.
                        own = fresh or server.name == "floor"
                        used = Server(server.name, server.command, server.environment, lab).start() if own else server
                        try:
                            if fresh and server.name == "peer":
                                used.load("calls --connections 10", protocol, 2)
                            seconds = max(options.seconds, 4) if name == "slow" else options.seconds
                            result = used.load(arguments, protocol, seconds)
                        finally:
                            if own:
                                used.stop()
                        for row in rows:
                            if row in result:
                                found.setdefault((name, protocol, row, server.name), []).append(result[row])
    finally:
        for server in all_servers:
            server.stop()
    return found


PICK = statistics.median


def show(value):
    return "-" if value is None else f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def middle(found, case, protocol, row, value, server):
    values = [run[value] for run in found.get((case, protocol, row, server), []) if run.get(value) is not None]
    return PICK(values) if values else None


def report(found, ceilings):
    """Prints the table; true: every ceiling that could be judged is kept."""
    print(f"\n{'':52} {'':11} {'ours':>12} {'floor':>12} {'peer':>12} {'ceiling':>12}  met")
    kept = True
    for title, case, row, value, (kind, factor) in ceilings:
        for protocol in CASES[case][2]:
            ours, floor, peer = (middle(found, case, protocol, row, value, name) for name in ("ours", "floor", "peer"))
            if ours is None:
                continue
            ceiling = {
                "absolute": lambda: factor,
                "floor": lambda: floor and floor * factor,
                "floor+": lambda: floor and floor + factor,
                "peer": lambda: peer and peer * factor,
                "peer-rate": lambda: peer and peer * factor,
            }[kind]()
            met = None if ceiling is None else ours >= ceiling if kind == "peer-rate" else ours <= ceiling
            kept = kept and met is not False
            word = {None: "not judged", True: "yes", False: "NO"}[met]
            print(f"{title:52} {protocol:11} {show(ours):>12} {show(floor):>12} {show(peer):>12} {show(ceiling):>12}  {word}")
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", action="store_true", help="with a redis-server of its own, the rows that need one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rounds-fresh", type=int, default=2, help="rounds of the cases that need a fresh process")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each measurement lasts")
    parser.add_argument("--only", help="cases, separated by commas: " + ", ".join(CASES))
    parser.add_argument("--least", action="store_true", help="compare least values, not medians: others use the machine")
    parser.add_argument("--everywhere", action="store_true", help="servers and load on all processors")
    parser.add_argument("--json", type=pathlib.Path, help="write every single measurement")
    options = parser.parse_args()
    need_programs("compare")
    only = chosen(options.only, CASES, "compare", "case")
    global PICK
    if options.least:
        PICK = min
    lab = Lab(options.redis, options.everywhere)
    try:
        found = measure(lab, only, options)
    finally:
        lab.end()
    if options.json:
        keyed = [{"case": case, "protocol": protocol, "row": row, "server": server, "runs": runs}
                 for (case, protocol, row, server), runs in found.items()]
        options.json.write_text(json.dumps(keyed, indent=1))
    return 0 if report(found, CEILINGS_REDIS if options.redis else CEILINGS) else 1


if __name__ == "__main__":
    sys.exit(main())
