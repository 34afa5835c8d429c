"""Records what this service answers and compares it with what ASP.NET Core answered.

    python3 e2e/wire/run.py target/debug/test-hub [GROUP ...]

Starts a token issuer and the service itself, on ports that the system gives; ends both. Every case is the same as the
recording, or stands in meant/GROUP.txt and in docs/dotnet-differences.md.
"""
import os, pathlib, re, signal, socket, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
# The recorded group, what the recorder calls it, and settings beside those of all groups.
GROUPS = {
    "negotiation": ("negotiation", {}), "handshake": ("handshake", {}), "http_errors": ("http_errors", {}),
    "cors": ("cors", {}), "auth_with_query_token": ("auth", {}), "sse": ("sse", {}), "longpolling": ("longpolling", {}),
    "presence": ("presence", {}), "json_messages": ("json_messages", {}), "msgpack_messages": ("msgpack_messages", {}),
    "json_messages_detailed": ("json_messages", {"SignalR__EnableDetailedErrors": "true"}),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return found


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def started(program, issuer_port, settings, log):
    environment = {**os.environ, **settings,
                   "ApiAuth__Authority": f"http://127.0.0.1:{issuer_port}", "ApiAuth__RequireHttpsMetadata": "false",
                   "Cors__AllowedOrigins": "http://localhost:5002,https://localhost:5003",
                   "Kestrel__Grpc__Url": "http://127.0.0.1:0", "SignalR__AllowStatefulReconnects": "true"}
    service = subprocess.Popen([program, "serve", "--urls", "http://127.0.0.1:0"], env=environment,
                               stdout=log, stderr=subprocess.STDOUT)
    text = lambda: pathlib.Path(log.name).read_text()
    until("the service starts", lambda: "Application started" in text() or service.poll() is not None)
    found = re.search(r"listening on: http://127\.0\.0\.1:(\d+)", text())
    if not found:
        raise SystemExit(text())
    return service, int(found.group(1))


def judged(program, name, folder, keys, issuer_port):
    """Records one group and compares it: whether it is as it should be, and what is to be said of it."""
    group, settings = GROUPS[name]
    with open(f"{folder}/{name}.log", "w") as log:
        service, port = started(program, issuer_port, settings, log)
        try:
            subprocess.run([sys.executable, HERE / "capture.py", "--http", str(port), "--oidc", str(issuer_port),
                            "--keys", keys, "--only", group, "--out", f"{folder}/{name}.json"],
                           check=True, stderr=subprocess.DEVNULL)
        finally:
            service.send_signal(signal.SIGTERM)
            code = service.wait(60)
    compared = subprocess.run([sys.executable, HERE / "diffwire.py", HERE / f"aspnet/{name}.json", f"{folder}/{name}.json",
                               "-v", "--but", HERE / f"meant/{name}.txt"], stdout=subprocess.PIPE, text=True)
    report = f"{name}: {compared.stdout}"
    log = pathlib.Path(f"{folder}/{name}.log").read_text()
    healthy = code == 0 and "panicked" not in log
    if not healthy:
        report += f"the service ended with {code}:\n{log}"
    return compared.returncode == 0 and healthy, report


def main():
    program, names = sys.argv[1], sys.argv[2:] or list(GROUPS)
    with tempfile.TemporaryDirectory() as folder:
        keys, issuer_port = f"{folder}/keys", free_port()
        issuer = subprocess.Popen(["node", HERE / "oidc.mjs", "serve", str(issuer_port), keys])
        try:
            until("the issuer starts", lambda: answers(issuer_port))
            # The recorder mostly waits for silence, so three at a time do not disturb each other on two cores.
            with ThreadPoolExecutor(3) as pool:
                verdicts = list(pool.map(lambda name: judged(program, name, folder, keys, issuer_port), names))
        finally:
            issuer.terminate()
    for _, report in verdicts:
        print(report, end="")
    passed = sum(good for good, _ in verdicts)
    print(f"transcripts: {passed} passed, {len(verdicts) - passed} failed")
    sys.exit(passed < len(verdicts))


main()
