"""Starts the service with an issuer of its own (harness/issuer.js), on ports that the system gives."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def until(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)
    return found


class Service:
    """A running service; `web` and `grpc` are its addresses, `token` makes tokens."""

    def __init__(self, name="presence-api", **settings):
        self.issuer = subprocess.Popen(["node", ROOT / "e2e/harness/issuer.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.issuer.stdout.readline())["url"]
        self.log = tempfile.NamedTemporaryFile("r")
        program = pathlib.Path(os.environ.get("BIN_DIR", ROOT / "target/debug")) / name
        environment = {**os.environ, "ApiAuth__Authority": self.url, "ApiAuth__RequireHttpsMetadata": "false",
                       "Kestrel__Grpc__Url": "http://127.0.0.1:0", **settings}
        self.process = subprocess.Popen([program, "serve", "--urls", "http://127.0.0.1:0"], env=environment,
                                        cwd=tempfile.gettempdir(), stdout=open(self.log.name, "w"), stderr=subprocess.STDOUT)
        text = lambda: pathlib.Path(self.log.name).read_text()
        until("the service starts", lambda: "Application started" in text() or self.process.poll() is not None)
        self.web, self.grpc = re.findall(r"listening on: http://(127\.0\.0\.1:\d+)", text())[:2]

    def token(self, user, **claims):
        self.issuer.stdin.write(json.dumps({"user": user, "claims": claims}) + "\n")
        self.issuer.stdin.flush()
        return json.loads(self.issuer.stdout.readline())["token"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.issuer.stdin.close()
        self.issuer.wait(10)
        return code
