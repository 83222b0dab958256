#!/usr/bin/env python3
"""What becomes of a connection's last bytes: directly, through two haproxy, two socat, and the relay and its agent.

  rst          the target does not read what the user sent, writes, waits until all of it is acknowledged, and closes:
               its kernel sends a reset
  rst-user     the same with user and target exchanged
  linger       the target reads what the user sent, writes, and closes at once with SO_LINGER 0: its kernel sends a
               reset, and drops what it has not sent yet
  linger-user  the user connects, writes and closes like this, and waits for nothing
  http         curl uploads to python3 -m http.server, which answers 501 and closes without reading the upload
  https        the same with TLS between curl and server

Prints a Markdown table for each case. A cell of the first four is whole/reset: the runs in which the receiver got all
bytes, and those in which its connection ended with a reset. A cell of http and https is the runs in which curl got
the 501. All is on loopback; with --delay in three network namespaces (user; relay or first proxy; agent or second
proxy, and target), with a slow link between user and relay, for which it needs root, ip and /dev/net/tun.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import ctypes
import fcntl
import functools
import http.server
import os
import pathlib
import random
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import typing

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROOT = TESTS.parents[2]
RAW_SIZES = [6, 1_000, 20_000, 500_000]
UPLOAD_SIZES = [3_000, 100_000, 3_000_000, 100_000_000]
RAW_CASES = ["rst", "rst-user", "linger", "linger-user"]
CASES = RAW_CASES + ["http", "https"]
WAIT, CURL, START = 8, 30, 30  # the longest, in seconds: a wait within a run, a run of curl, a start
SIOCOUTQ = 0x5411  # how many bytes are not acknowledged
CLONE_NEWNET = 0x40000000


class Host(typing.NamedTuple):
    namespace: str  # empty: this process's own
    address: str
    listen: str  # where a target listens

    def command(self, *command):
        return [*(["ip", "netns", "exec", self.namespace] if self.namespace else []), *map(str, command)]

    @contextlib.contextmanager
    def inside(self):
        """The sockets that this thread makes meanwhile belong to this host."""
        if not self.namespace:
            yield
            return
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.namespace) as there:
            set_namespace(there)
            try:
                yield
            finally:
                set_namespace(home)

    def connect(self, address, limit=WAIT):
        with self.inside():
            return socket.create_connection(address, limit)

    def accepts(self, port):
        with contextlib.suppress(OSError):
            self.connect((self.address, port), 1).close()
            return True

    def free_port(self):
        with self.inside(), socket.create_server((self.address, 0)) as s:
            return s.getsockname()[1]


def set_namespace(file):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


Lab = collections.namedtuple("Lab", "user relay agent temp options")


def run(*command):
    merged = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=START, **merged)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}")


def start(scope, lab, host, name, *command, ready):
    """Runs until the scope ends. Ready is a function of the log so far."""
    log = lab.temp / name
    with open(log, "wb") as out:
        files = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "cwd": lab.temp}
        process = subprocess.Popen(host.command(*command), start_new_session=True, **files)
    scope.callback(stop, process)
    deadline = time.monotonic() + START
    while not ready(log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{name} did not start: {log.read_text(errors='replace')}")
        time.sleep(0.05)


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its group, for socat's children
    process.wait()


# --- the ways to the target's port; each returns the users' address ---


def direct(scope, lab, port):
    return lab.agent.address, port


def haproxy(lab, at, to):
    config = lab.temp / f"haproxy-{at[1]}.cfg"
    config.write_text(
        "defaults\n mode tcp\n maxconn 1000\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        "listen all\n bind %s:%d\n server next %s:%d\n" % (at + to)
    )
    return "haproxy", "-db", "-f", config


def socat(lab, at, to):
    return "socat", "TCP-LISTEN:%d,bind=%s,fork,reuseaddr" % at[::-1], "TCP:%s:%d" % to


def proxies(command, scope, lab, port):
    """Two, the second beside the target."""
    to = ("127.0.0.1", port)
    for host, number in ((lab.agent, 2), (lab.relay, 1)):
        at = (host.address, host.free_port())
        name = f"{command.__name__}{number}"
        start(scope, lab, host, name, *command(lab, at, to), ready=lambda _: host.accepts(at[1]))
        to = at
    return to


def pair(scope, lab, port):
    key = lab.temp / "key"
    key.write_text(secrets.token_urlsafe(24))
    at = (lab.relay.address, lab.relay.free_port())

    def jar(host, name, *arguments, event):
        path = lab.options.jars.resolve() / name / "target" / (name + ".jar")
        command = ("java", "-jar", path, "--transport", lab.options.transport, "--key-file", key, *arguments)
        start(scope, lab, host, name, *command, ready=lambda log: event in log)

    jar(lab.relay, "server2server", "--bind", *at, event="relay.listening")
    jar(lab.agent, "client2client", port, *at, event="control.ready")
    return at


WAYS = {"direct": direct, **{p.__name__: functools.partial(proxies, p) for p in (haproxy, socat)}, "pair": pair}


# --- the targets; each returns its port, and a function of the users' address and a size, which does a run ---


def send(s, data, case):
    """And reset. What fails here shows at the receiver."""
    with s, contextlib.suppress(OSError):
        if case != "linger-user":
            # what stays unread makes a reset of the close
            s.recv(64, 0 if case == "linger" else socket.MSG_PEEK)
        if case.startswith("linger"):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(data)
        deadline = time.monotonic() + (WAIT if case.startswith("rst") else 0)
        while time.monotonic() < deadline and any(fcntl.ioctl(s, SIOCOUTQ, bytes(4))):
            time.sleep(0.0005)


def receive(s, data, case):
    """Returns whether all bytes came, and whether a reset did."""
    received, reset = bytearray(), False
    with s:
        try:
            if case != "linger-user":
                s.sendall(b"a request")
            while chunk := s.recv(65536):
                received += chunk
        except ConnectionResetError:
            reset = True
        except OSError:
            pass  # no end in time
    return received == data, reset


def raw_target(scope, lab, case):
    at_user, at_target = (send, receive) if case.endswith("-user") else (receive, send)
    with lab.agent.inside():
        listener = scope.enter_context(socket.create_server((lab.agent.listen, 0)))
    pool = scope.enter_context(concurrent.futures.ThreadPoolExecutor(1))

    def accept():
        s = listener.accept()[0]
        s.settimeout(WAIT)
        return s

    def one(entry, size):
        listener.settimeout(0)
        with contextlib.suppress(OSError):  # until there are no more
            while True:
                accept().close()  # too late for an earlier run, or only to see whether a proxy is up
        listener.settimeout(WAIT)
        data = random.randbytes(size)
        target = pool.submit(lambda: at_target(accept(), data, case))
        seen = None
        with contextlib.suppress(OSError):
            seen = at_user(lab.user.connect(entry), data, case)
        with contextlib.suppress(OSError):  # nothing reached the target
            seen = target.result() or seen
        return seen or (False, False)

    return listener.getsockname()[1], one


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def http_server(scope, lab):
    port = lab.agent.free_port()
    command = (sys.executable, "-m", "http.server", "--bind", lab.agent.listen, port)
    start(scope, lab, lab.agent, "http", *command, ready=lambda _: lab.agent.accepts(port))
    return port


def https_server(scope, lab):
    pem = lab.temp / "certificate.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout".split()
    run(*request, pem, "-out", pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with lab.agent.inside():
        server = scope.enter_context(http.server.ThreadingHTTPServer((lab.agent.listen, 0), Quiet))
    server.handle_error = lambda *_: None  # resets are what is tried here
    # The handshake is left to each connection's thread: a silent connection must not hold up the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scope.callback(server.shutdown)
    return server.server_address[1]


def web_target(scope, lab, scheme):
    def one(entry, size):
        with open(lab.temp / "upload", "wb") as f:
            f.truncate(size)
        # without Expect, curl does not wait for the server's consent to upload
        options = ("-s", "-k", "--noproxy", "*", "-m", CURL, "-H", "Expect:", "--data-binary", f"@{f.name}")
        url = f"{scheme}://{entry[0]}:{entry[1]}/"
        command = lab.user.command("curl", *options, "-o", "/dev/null", "-w", "%{http_code}", url)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=CURL + 10)
        return (done.stdout == b"501",)  # whatever the exit code: the upload may have failed all the same

    return (http_server if scheme == "http" else https_server)(scope, lab), one


# --- all of it ---


def namespaces(scope, delay):
    """User, relay and agent, with a slow link and a fast one."""
    user, relay, agent = names = ["edges%d%s" % (os.getpid(), role) for role in "ura"]
    for name in names:
        run("ip", "netns", "add", name)
        scope.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "-n", relay, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", agent)
    for name, address in ((relay, "10.0.2.1/24"), (agent, "10.0.2.2/24")):
        run("ip", "-n", name, "addr", "add", address, "dev", "veth0")
        run("ip", "-n", name, "link", "set", "veth0", "up")
    # not netem, which not every kernel has
    command = [sys.executable, TESTS / "resources" / "wan.py", user, "10.0.1.2", relay, "10.0.1.1"]
    wan = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    scope.callback(stop, wan)
    print("delay", delay, file=wan.stdin, flush=True)
    if [wan.stdout.readline() for _ in range(2)] != ["up\n", "ok\n"]:
        sys.exit("wan.py made no link")
    run("ip", "-n", user, "route", "add", "default", "via", "10.0.1.1")
    run("ip", "-n", agent, "route", "add", "default", "via", "10.0.2.1")
    run("ip", "netns", "exec", relay, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    return [Host(name, a, "0.0.0.0") for name, a in zip(names, ("10.0.1.2", "10.0.1.1", "10.0.2.2"))]


def cells(lab, case, way, sizes):
    with contextlib.ExitStack() as scope:
        port, one = (raw_target if case in RAW_CASES else web_target)(scope, lab, case)
        entry = WAYS[way](scope, lab, port)
        for _ in range(2):
            one(entry, sizes[0])  # not counted: after it all parts have worked once
        for size in sizes:
            seen = [one(entry, size) for _ in range(lab.options.runs)]
            yield "/".join(str(sum(counted)) for counted in zip(*seen)) + f" of {len(seen)}"


def table(lab, case):
    raw, options = case in RAW_CASES, lab.options
    sizes = options.sizes or (RAW_SIZES if raw else UPLOAD_SIZES)
    where = "loopback" if options.delay is None else f"{options.delay:g} ms one way between user and relay"
    print(f"`{case}`: {'whole/reset' if raw else '501s'}; {where}; transport {options.transport}\n")
    print("| |", " | ".join(f"{size:,} B" for size in sizes), "|")
    print("|---" * (len(sizes) + 1) + "|")
    for way in options.ways:
        print("|", way, "|", " | ".join(cells(lab, case, way, sizes)), "|", flush=True)
    print()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = {"type": lambda text: text.split(",")}
    parser.add_argument("--jars", type=pathlib.Path, default=ROOT, help="a checkout that was built")
    parser.add_argument("-n", dest="runs", type=int, default=30, help="runs for each cell; 30")
    parser.add_argument("-c", dest="ways", default=list(WAYS), help=",".join(WAYS), **words)
    parser.add_argument("-t", dest="cases", default=CASES, help=",".join(CASES), **words)
    parser.add_argument("-s", dest="sizes", type=lambda text: [int(n) for n in text.split(",")], help="in bytes")
    parser.add_argument("--transport", default="auto", help="of relay and agent: auto, epoll, kqueue or nio")
    parser.add_argument("--delay", type=float, metavar="MS", help="one way, between user and relay")
    options = parser.parse_args()
    for word in {*options.ways} - {*WAYS} | {*options.cases} - {*CASES}:
        parser.error("unknown: " + word)
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up
    with contextlib.ExitStack() as scope:
        temp = pathlib.Path(scope.enter_context(tempfile.TemporaryDirectory()))
        hosts = [Host("", "127.0.0.1", "127.0.0.1")] * 3
        if options.delay is not None:
            hosts = namespaces(scope, options.delay)
        lab = Lab(*hosts, temp, options)
        for case in options.cases:
            table(lab, case)


if __name__ == "__main__":
    main()
