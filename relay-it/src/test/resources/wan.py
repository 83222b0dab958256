#!/usr/bin/env python3
"""A link between two network namespaces that is slow and loses packets: wan.py HOST_A ADDRESS_A HOST_B ADDRESS_B

A host is the name of a namespace, or - for the one this runs in. Each gets one end: a tun device, which TCP takes for
a network like any other. Says "up", then does what is asked on standard input, line by line, each answered:

  delay MS           one way
  loss PERCENT       of the packets
  lose HEX PERCENT   of those whose TCP payload begins with these bytes
  lost               answers how many packets were lost

Ends, and with it the link, at the end of its input.
"""

import collections
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NAME = "wan%d" % os.getpid()
MAX_QUEUED = 20000


def end(host, address, peer, suffix):
    name = NAME + suffix
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    ip = ["ip"] if host == "-" else ["ip", "-n", host]
    if host != "-":
        subprocess.check_call(["ip", "link", "set", name, "netns", host])
    subprocess.check_call(ip + ["addr", "add", address, "peer", peer, "dev", name])
    subprocess.check_call(ip + ["link", "set", name, "mtu", "1500", "txqueuelen", "5000", "up"])
    return fd


def tcp_payload(packet):
    """Of an IPv4 packet; empty if it is another one."""
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return b""
    tcp = (packet[0] & 15) * 4
    return packet[tcp + (packet[tcp + 12] >> 4) * 4 :]


class Link:
    def __init__(self, a, b):
        self.other = {a: b, b: a}
        self.under_way = {a: collections.deque(), b: collections.deque()}  # by where they go
        self.delay = self.loss = self.chosen_loss = 0.0
        self.chosen = b""
        self.lost = 0

    def ask(self, line):
        word, *more = line.split()
        if word == "delay":
            self.delay = float(more[0]) / 1000
        elif word == "loss":
            self.loss = float(more[0]) / 100
        elif word == "lose":
            self.chosen, self.chosen_loss = bytes.fromhex(more[0]), float(more[1]) / 100
        elif word == "lost":
            return str(self.lost)
        else:
            return "unknown: " + word
        return "ok"

    def loses(self, packet):
        chosen = self.chosen_loss > 0 and tcp_payload(packet).startswith(self.chosen)
        return random.random() < (self.chosen_loss if chosen else self.loss)

    def take(self, fd):
        for _ in range(64):
            try:
                packet = os.read(fd, 2048)
            except BlockingIOError:
                return
            queue = self.under_way[self.other[fd]]
            if self.loses(packet) or len(queue) >= MAX_QUEUED:
                self.lost += 1
            else:
                queue.append((time.monotonic() + self.delay, packet))

    def give(self):
        """Returns in how many seconds the next packet is due."""
        now = time.monotonic()
        for fd, queue in self.under_way.items():
            while queue and queue[0][0] <= now:
                try:
                    os.write(fd, queue.popleft()[1])
                except OSError:
                    self.lost += 1  # that end is down
        return max(0, min((q[0][0] - now for q in self.under_way.values() if q), default=60))

    def run(self):
        ends = list(self.other)
        text = b""
        while True:
            ready, _, _ = select.select(ends + [0], [], [], self.give())
            for fd in ready:
                if fd != 0:
                    self.take(fd)
                    continue
                more = os.read(0, 4096)
                if not more:
                    return
                *lines, text = (text + more).split(b"\n")
                for line in lines:
                    print(self.ask(line.decode()), flush=True)


def main():
    host_a, address_a, host_b, address_b = sys.argv[1:]
    link = Link(end(host_a, address_a, address_b, "a"), end(host_b, address_b, address_a, "b"))
    print("up", flush=True)
    link.run()


main()
