"""Starts the service with an issuer of its own (harness/issuer.js), on ports that the system gives."""
import contextlib
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

    def __init__(self, **settings):
        self.resources = contextlib.ExitStack()
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(self.resources.close)
            self.start(settings)
            unless_started.pop_all()

    def start(self, settings):
        # A folder of its own, so that no settings file of the caller's is read.
        folder = pathlib.Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.issuer = self.running(["node", ROOT / "e2e/harness/issuer.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        issuer = json.loads(self.issuer.stdout.readline())["url"]
        log = folder / "log"
        program = pathlib.Path(os.environ.get("PRESENCE_API", ROOT / "target/debug/presence-api")).resolve()
        environment = {**os.environ, "ApiAuth__Authority": issuer, "ApiAuth__RequireHttpsMetadata": "false",
                       "Kestrel__Grpc__Url": "http://127.0.0.1:0", **settings}
        with log.open("w") as output:
            self.process = self.running([program, "serve", "--urls", "http://127.0.0.1:0"], env=environment, cwd=folder,
                                        stdout=output, stderr=subprocess.STDOUT)
        until("the service starts", lambda: "Application started" in log.read_text() or self.process.poll() is not None, 30)
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended ({self.process.returncode}):\n{log.read_text()}")
        self.web, self.grpc = re.findall(r"listening on: http://(127\.0\.0\.1:\d+)", log.read_text())[:2]

    def running(self, *args, **options):
        """A process that does not outlive this."""
        process = self.resources.enter_context(subprocess.Popen(*args, **options))
        self.resources.callback(process.kill)  # nothing happens to one that has ended
        return process

    def token(self, user, **claims):
        self.issuer.stdin.write(json.dumps({"user": user, "claims": claims}) + "\n")
        self.issuer.stdin.flush()
        return json.loads(self.issuer.stdout.readline())["token"]

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Asks it to end, and tells its exit code."""
        with self.resources:
            self.ask_to_end()
            return self.process.wait(60)
