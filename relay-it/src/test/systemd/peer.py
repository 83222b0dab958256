"""Users and an echoing target for the relay and the agent, and a DNS server.

  peer.py target PORT                   echoes every connection until FIN
  peer.py occupy PORT                   occupies the port and closes every connection
  peer.py dns PORT                      resolves every name to 127.0.0.1
  peer.py user HOST PORT                exchanges one line, then closes cleanly
  peer.py talk HOST PORT SECONDS        exchanges a numbered line every 50 ms, then closes cleanly
  peer.py bulk HOST PORT USERS KIB      USERS at once exchange KIB kibibytes each, a multiple of 64

A user prints how its session ended. The exit code is 0 only if every byte came back in order and both
directions closed cleanly.
"""

import hashlib
import random
import socket
import sys
import threading
import time


class Ended(Exception):
    """A session that failed."""


def echo(connection):
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the user reports the error


def serve(port, each):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=each, args=(connection,), daemon=True).start()


def dns(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    while True:
        query, client = server.recvfrom(512)
        question = query[12 : query.index(0, 12) + 5]
        # RFC 1035, 4.1: one answer for type A, with a pointer to the name of the question; none for other types.
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if question[-4:] == b"\0\1\0\1" else b""
        head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if answer else b"\0\0") + bytes(4)
        server.sendto(head + question + answer, client)


def exchange(connection, line):
    connection.sendall(line)
    received = b""
    while len(received) < len(line):
        data = connection.recv(len(line) - len(received))
        if not data:
            raise Ended("eof")
        received += data
    if received != line:
        raise Ended("wrong bytes")


def talk(host, port, seconds):
    """Exchanges lines for this time; at least one."""
    began = time.monotonic()
    lines = 0
    how = "complete"
    try:
        with socket.create_connection((host, port), timeout=20) as connection:
            while lines == 0 or time.monotonic() - began < seconds:
                exchange(connection, b"line %d of a session\n" % lines)
                lines += 1
                print(lines, flush=True)
                if seconds:
                    time.sleep(0.05)
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1):
                raise Ended("unexpected bytes")
    except (ConnectionResetError, BrokenPipeError):
        how = "reset"
    except (OSError, Ended) as e:
        how = str(e)
    print(f"{how} lines={lines} seconds={time.monotonic() - began:.0f}", flush=True)
    return how == "complete"


def bulk(host, port, kib):
    block = random.randbytes(64 << 10)
    sent, received = hashlib.sha256(), hashlib.sha256()
    with socket.create_connection((host, port), timeout=60) as connection:

        def send():
            for _ in range(kib // 64):
                sent.update(block)
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        while data := connection.recv(1 << 18):
            received.update(data)
        sender.join()
    return sent.digest() == received.digest()


def bulks(host, port, users, kib):
    good = []

    def one():
        try:
            good.append(bulk(host, port, kib))
        except OSError as e:
            print(e)

    threads = [threading.Thread(target=one) for _ in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{good.count(True)} of {users} complete")
    return good.count(True) == users


def main(what, *args):
    if what in ("target", "occupy"):
        serve(int(args[0]), echo if what == "target" else socket.socket.close)
    if what == "dns":
        dns(int(args[0]))
    host, port, *numbers = args
    run = {"user": lambda *a: talk(*a, 0), "talk": talk, "bulk": bulks}[what]
    return 0 if run(host, int(port), *map(int, numbers)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
