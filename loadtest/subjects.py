"""The processes of a run: started on free ports, pinned, asked for their CPU time, stopped."""

import copy
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import workload

HERE = Path(__file__).resolve().parent
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 2
TOOLS = (10, 50, 1000, 100000)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    pass


class Subject:
    """One running process, and where it listens."""

    def __init__(self, name, command, authority, directory):
        self.name = name
        self.authority = authority
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches this program alone, which then stops the rest.
            self.process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.pids = [self.process.pid]

    def wait_ready(self, authority, path):
        """Waits until a GET of `path` answers 200; without one, until somebody listens."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            if self.process.poll() is not None:
                raise NotStarted(f"{self.name} did not start\n{self.last_words()}")
            if status_of(authority, path) == 200 if path else listens(authority):
                break
            if time.monotonic() > deadline:
                raise NotStarted(f"{self.name} is not ready after {READY_SECONDS_MAX} s: "
                                 f"GET http://{authority}{path or '/'}\n{self.last_words()}")
            time.sleep(0.05)
        self.pids += children_of(self.process.pid)

    def also_at(self, authority):
        """The same process where it listens as well."""
        other = copy.copy(self)
        other.authority = authority
        return other

    def cpu_seconds(self):
        return sum(cpu_ticks(pid) for pid in self.pids) / TICKS_PER_SECOND

    def last_words(self):
        """What tells why it does not answer: how it ended, if it did, and the end of its log."""
        code = self.process.poll()
        state = "still runs" if code is None else f"ended with {code}"
        return f"  {self.name} {state}\n{self.tail()}".rstrip()

    def tail(self):
        lines = self.log.read_text(errors="replace").splitlines()[-10:]
        return "\n".join(f"  {self.name}: {line}" for line in lines)


class Subjects:
    """Everything a run has started; leaving the `with` block stops it all."""

    def __init__(self, host, binaries, drawbridge, directory, cpus):
        self.host, self.binaries, self.directory, self.cpus = host, binaries, directory, cpus
        self.drawbridge = drawbridge
        self.running = {}

    def __enter__(self):
        return self

    def __getitem__(self, name):
        return self.running[name]

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for subject in self.running.values():
            signal_group(subject, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for subject in self.running.values():
            try:
                subject.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            signal_group(subject, signal.SIGKILL)
            subject.process.wait()

    def start(self, names):
        """Starts the upstream and those of `names`; the upstream shares the CPU of the load."""
        ports = free_ports(self.host, 12)
        at = [f"{bracketed(self.host)}:{port}" for port in ports]
        (upstream, tls, alone, nginx, plain, plain_h2, plain_tls, drawbridge, h2, admin, many,
         many_admin) = at
        certificate = self.directory / "upstream.pem"
        self._start("upstream", self.cpus.load, upstream, ["examples/loadtest_upstream", upstream])
        self._start("upstream-tls", self.cpus.load, tls,
                    ["examples/loadtest_upstream", tls, certificate], (tls, None))
        pass_through = "examples/plain_pingora"
        for name, address, command in [
                ("upstream-alone", alone, ["examples/loadtest_upstream", alone]),
                ("plain-pingora", plain, [pass_through, plain, upstream]),
                ("plain-pingora-h2", plain_h2, [pass_through, plain_h2, upstream, "h2c"]),
                ("plain-pingora-tls", plain_tls, [pass_through, plain_tls, tls, "tls"])]:
            if name in names:
                self._start(name, self.cpus.subject, address, command)
        if names & {"drawbridge", "drawbridge-h2"}:
            shutil.copy(HERE / "openapi.yaml", self.directory)
            places = {"18080": drawbridge, "18082": h2, "19901": admin, "19000": upstream,
                      "19443": tls}
            self._serve("drawbridge", drawbridge, admin, self._render("drawbridge.yaml", places))
            self.running["drawbridge-h2"] = self.running["drawbridge"].also_at(h2)
        if "drawbridge-many" in names or "nginx" in names:
            for count in TOOLS:
                document = self.directory / f"tools-{count}.json"
                document.write_text(json.dumps(document_of(count)))
            places = {"18080": many, "19901": many_admin, "19000": upstream}
            self._serve("drawbridge-many", many, many_admin, self._render("many.yaml", places))
        if "nginx" in names:
            # Its worker may be another user.
            self.directory.chmod(0o755)
            (self.directory / "list.json").write_bytes(workload.page_of_tools(many))
            conf = self._render("nginx.conf", {"18081": nginx, "19000": upstream})
            command = [nginx_binary(), "-p", f"{self.directory}/", "-c", conf]
            self._start("nginx", self.cpus.subject, nginx, command)

    def _serve(self, name, address, admin, conf):
        command = [self.drawbridge, "serve", "-c", conf]
        self._start(name, self.cpus.subject, address, command, (admin, "/readyz"))

    def _start(self, name, cpu, authority, command, ready=None):
        program = self.binaries / command[0]
        if not program.exists():
            raise NotStarted(f"{program} is missing; run without --no-build")
        command = pinned(cpu, [str(program), *map(str, command[1:])])
        self.running[name] = Subject(name, command, authority, self.directory)
        self.running[name].wait_ready(*(ready or (authority, "/items/7")))

    def _render(self, name, places):
        """Copies a file of this directory with its addresses replaced."""
        def place(match):
            return places[match[1]]
        text = re.sub(r"127\.0\.0\.1:(\d+)", place, (HERE / name).read_text())
        rendered = self.directory / name
        rendered.write_text(text)
        return rendered


def document_of(count):
    """An OpenAPI document of so many operations that all get one item."""
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    answer = {"200": {"description": "The item.", "content": {"application/json": {}}}}
    paths = {f"/tool{n}/items/{{id}}": {"get": {
        "operationId": f"getItem{n}", "summary": f"Get one item by way {n}.",
        "parameters": [parameter], "responses": answer}} for n in range(count)}
    return {"openapi": "3.1.0", "info": {"title": "Many", "version": "1"}, "paths": paths}


def nginx_binary():
    # Debian keeps it out of the PATH of plain users.
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def pinned(cpu, command):
    return command if cpu is None else ["taskset", "-c", str(cpu), *command]


def signal_group(subject, number):
    try:
        os.killpg(subject.process.pid, number)
    except ProcessLookupError:
        pass


def status_of(authority, path):
    connection = http.client.HTTPConnection(authority, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def listens(authority):
    host, _, port = authority.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        return True
    except OSError:
        return False


def free_ports(host, count):
    """Ports that are free now: all are held together, so that none comes twice."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = [socket.socket(family) for _ in range(count)]
    try:
        for one in held:
            one.bind((host, 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def bracketed(host):
    return f"[{host}]" if ":" in host else host


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name: [0] is the state, number 3 in proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_ticks(pid):
    try:
        user, system = stat_fields(pid)[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it died: the answers that are missing tell of it
    return int(user) + int(system)


def children_of(parent):
    """The direct children: nginx works in one."""
    children = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(stat_fields(entry.name)[1]) == parent:
                children.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children
