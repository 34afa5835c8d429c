"""Records what this service answers and compares it with what ASP.NET Core answered.

    python3 e2e/wire/run.py target/debug/test-hub [GROUP ...]
    python3 e2e/wire/run.py target/debug/test-hub --pin [GROUP ...]

Starts a token issuer and the service itself, on ports that the system gives; ends both. Every case is the same as the
recording, or the same as in meant/GROUP.json and told in docs/dotnet-differences.md. --pin writes what is answered now
into the cases of meant/GROUP.json; a new case begins there as {"name": "...", "rows": []}.
"""
import json, os, pathlib, re, signal, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

HERE = pathlib.Path(__file__).parent
# The recorded group, what the recorder calls it, and settings beside those of all groups.
GROUPS = {
    "negotiation": ("negotiation", {}), "handshake": ("handshake", {}), "http_errors": ("http_errors", {}),
    "cors": ("cors", {}), "auth_with_query_token": ("auth", {}), "sse": ("sse", {}), "longpolling": ("longpolling", {}),
    "presence": ("presence", {}), "json_messages": ("json_messages", {}), "msgpack_messages": ("msgpack_messages", {}),
    "json_messages_detailed": ("json_messages", {"SignalR__EnableDetailedErrors": "true"}),
}


def until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return found


@contextmanager
def issuer(keys):
    """A token issuer; gives its port."""
    process = subprocess.Popen(["node", HERE / "oidc.mjs", "serve", "0", keys], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the token issuer did not start")
        yield int(line)
    finally:
        process.terminate()
        process.wait()


class Service:
    """The program under test, from the line that says it listens to the end of its drain."""

    def __init__(self, program, issuer_port, settings, log):
        self.log = pathlib.Path(log)
        environment = {**os.environ, **settings,
                       "ApiAuth__Authority": f"http://127.0.0.1:{issuer_port}", "ApiAuth__RequireHttpsMetadata": "false",
                       "Cors__AllowedOrigins": "http://localhost:5002,https://localhost:5003",
                       "Kestrel__Grpc__Url": "http://127.0.0.1:0", "SignalR__AllowStatefulReconnects": "true"}
        with open(log, "w") as output:
            self.process = subprocess.Popen([program, "serve", "--urls", "http://127.0.0.1:0"], env=environment,
                                            stdout=output, stderr=subprocess.STDOUT)

    def port(self):
        until("the service starts", lambda: "Application started" in self.text() or self.process.poll() is not None)
        found = re.search(r"listening on: http://127\.0\.0\.1:(\d+)", self.text())
        if not found:
            raise SystemExit(f"the service did not start:\n{self.text()}")
        return int(found.group(1))

    def text(self):
        return self.log.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pinned(meant, recorded):
    """Writes the rows that were recorded into the cases that are meant to differ."""
    names = [case["name"] for case in json.loads(meant.read_text())]
    rows = {case["name"]: case["rows"] for case in json.loads(pathlib.Path(recorded).read_text())}
    text = json.dumps([{"name": name, "rows": rows[name]} for name in names], indent=1, ensure_ascii=False)
    meant.write_text(text + "\n")


def judged(program, name, folder, keys, issuer_port, pin):
    """Records one group and compares it: whether it is as it should be, and what is to be said of it."""
    group, settings = GROUPS[name]
    with Service(program, issuer_port, settings, f"{folder}/{name}.log") as service:
        subprocess.run([sys.executable, HERE / "capture.py", "--http", str(service.port()), "--oidc", str(issuer_port),
                        "--keys", keys, "--only", group, "--out", f"{folder}/{name}.json"],
                       check=True, stderr=subprocess.DEVNULL)
    meant = HERE / f"meant/{name}.json"
    if pin and meant.exists():
        pinned(meant, f"{folder}/{name}.json")
    compared = subprocess.run([sys.executable, HERE / "diffwire.py", HERE / f"aspnet/{name}.json", f"{folder}/{name}.json",
                               "-v", *(["--but", meant] if meant.exists() else [])], stdout=subprocess.PIPE, text=True)
    report = f"{name}: {compared.stdout}"
    healthy = service.process.returncode == 0 and "panicked" not in service.text()
    if not healthy:
        report += f"the service ended with {service.process.returncode}:\n{service.text()}"
    return compared.returncode == 0 and healthy, report


def main():
    program, pin = sys.argv[1], "--pin" in sys.argv
    names = [name for name in sys.argv[2:] if name != "--pin"] or list(GROUPS)
    with tempfile.TemporaryDirectory() as folder, issuer(f"{folder}/keys") as port:
        # The recorder mostly waits for silence, so three at a time do not disturb each other on two cores.
        with ThreadPoolExecutor(3) as pool:
            verdicts = list(pool.map(lambda name: judged(program, name, folder, f"{folder}/keys", port, pin), names))
    for _, report in verdicts:
        print(report, end="")
    passed = sum(good for good, _ in verdicts)
    print(f"transcripts: {passed} passed, {len(verdicts) - passed} failed")
    sys.exit(passed < len(verdicts))


main()
