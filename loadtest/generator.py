"""The load generators: both send one request over and over and give back the same figures."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from subjects import pinned

HERE = Path(__file__).resolve().parent
HOW_TO_GET_ONE = """no load generator on the PATH. Either will do; wrk is preferred:
  wrk   apt-get install wrk | brew install wrk | https://github.com/wg/wrk
  oha   cargo install oha | brew install oha"""


class Missing(Exception):
    """There is no load generator."""


class Failed(Exception):
    """A load could not be driven, or not all of it was answered."""


@dataclass(frozen=True)
class Load:
    """What a generator measured."""
    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    refused: int
    """Answers with a status that means failure."""
    broken: int
    """Connections refused, cut or timed out."""


class Wrk:
    name = "wrk"

    def drive(self, authority, request, connections, seconds, directory, cpu):
        file = directory / "request.http"
        file.write_bytes(as_text(request))

        output = run(cpu, [
            "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
            "--script", str(HERE / "request.lua"), f"http://{authority}", "--", str(file)])
        return Load(**json.loads(last_json_line(output)))


class Oha:
    name = "oha"

    def __init__(self):
        usage = run(None, ["oha", "--help"])
        # Renamed in oha 1.10.
        self.as_json = ["--output-format", "json"] if "--output-format" in usage else ["--json"]

    def drive(self, authority, request, connections, seconds, directory, cpu):
        file = directory / "request.body"
        file.write_bytes(request.body)
        body = ["-D", str(file)] if request.body else []
        output = run(cpu, [
            "oha", "--no-tui", "--disable-compression", *self.as_json, "-c", str(connections),
            "-z", f"{seconds}s", "-m", request.method, *as_words(request), *body,
            f"http://{authority}{request.path}"])
        return self.read(json.loads(output))

    @staticmethod
    def read(report):
        statuses = {int(code): count for code, count in report["statusCodeDistribution"].items()}
        requests = sum(statuses.values())
        # Requests under way at the end are no failures.
        broken = sum(count for error, count in report["errorDistribution"].items()
                     if "deadline" not in error)
        micros = {name: (value or 0) * 1e6 for name, value in report["latencyPercentiles"].items()}
        return Load(
            requests=requests, seconds=report["summary"]["total"], p50_us=micros["p50"],
            p99_us=micros["p99"], broken=broken,
            refused=sum(count for code, count in statuses.items() if code >= 400))


class H2load:
    """For HTTP/2, which wrk does not speak. Tells no percentiles."""
    name = "h2load"

    @staticmethod
    def exists():
        return shutil.which("h2load") is not None

    def drive(self, authority, request, connections, seconds, directory, cpu):
        file = directory / "request.body"
        file.write_bytes(request.body)
        body = ["-d", str(file)] if request.body else []
        output = run(cpu, [
            "h2load", "-t", "1", "-c", str(connections), "-m", "1", "-D", str(seconds),
            *as_words(request), *body, f"http://{authority}{request.path}"])
        done = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", output)
        refused = re.search(r"(\d+) 4xx, (\d+) 5xx", output)
        if not done or not refused:
            raise Failed(f"h2load gave no figures: {output.strip()}")
        return Load(
            requests=int(done[1]), seconds=seconds, p50_us=0, p99_us=0,
            refused=int(refused[1]) + int(refused[2]), broken=int(done[3]))


@dataclass(frozen=True)
class Pace:
    """examples/loadtest_pace.rs: so many requests a second, over connections of its own."""
    program: Path
    rate: int
    name = "loadtest_pace"

    def drive(self, authority, request, connections, seconds, directory, cpu):
        file = directory / "request.http"
        file.write_bytes(as_text(request))
        command = [str(self.program), authority, str(file), str(self.rate), str(seconds)]
        return Load(**json.loads(last_json_line(run(cpu, command))))


def find():
    """The generator to use: wrk if there is one, else oha."""
    if shutil.which("wrk"):
        return Wrk()
    if shutil.which("oha"):
        return Oha()
    raise Missing(HOW_TO_GET_ONE)


def as_words(request):
    """The headers as oha and h2load take them."""
    return [word for name, value in request.headers.items()
            for word in ("-H", f"{name}: {value}")]


def as_text(request):
    lines = [f"{request.method} {request.path}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + request.body


def run(cpu, command):
    done = subprocess.run(pinned(cpu, command), capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise Failed(f"the load generator ended with {done.returncode}: {said}")
    return done.stdout


def last_json_line(output):
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"wrk gave no figures: {output.strip()}")
    return lines[-1]
