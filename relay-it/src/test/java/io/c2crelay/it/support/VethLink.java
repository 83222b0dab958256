package io.c2crelay.it.support;

import io.c2crelay.it.support.Namespaces.Host;
import java.util.ArrayList;
import java.util.List;

/**
 * A veth link between two hosts that can be cut in two ways, neither of which causes FIN or RST.
 */
public final class VethLink implements AutoCloseable {

  /** A link-layer address that no interface has. */
  private static final String UNUSED_ADDRESS = "02:00:00:00:00:00";

  private record End(Host host, String device, String address) {

    private List<String> deviceArguments() {
      return host.name().isEmpty()
          ? List.of("name", device)
          : List.of("name", device, "netns", host.name());
    }

    private void setUp() {
      host.ip("addr", "add", address + "/30", "dev", device);
      host.ip("link", "set", device, "up");
    }
  }

  private final End a;
  private final End b;

  private VethLink(End a, End b) {
    this.a = a;
    this.b = b;
  }

  static VethLink between(Host a, String addressA, Host b, String addressB, String name) {
    End first = new End(a, name + "a", addressA);
    End second = new End(b, name + "b", addressB);
    List<String> command = new ArrayList<>(List.of("ip", "link", "add"));
    command.addAll(first.deviceArguments());
    command.addAll(List.of("type", "veth", "peer"));
    command.addAll(second.deviceArguments());
    Command.check(command.toArray(new String[0]));
    first.setUp();
    second.setUp();
    return new VethLink(first, second);
  }

  /** The host's address on this link. */
  public String address(Host host) {
    return end(host).address();
  }

  private End end(Host host) {
    return a.host().equals(host) ? a : b;
  }

  /**
   * Takes the link down. The JVM's end stays up and loses its carrier: if it were down, packets
   * would take the default route.
   */
  public void unplug() {
    setAll("down");
  }

  public void plugIn() {
    setAll("up");
  }

  private void setAll(String state) {
    for (End end : new End[] {a, b}) {
      if (!end.host().name().isEmpty()) {
        end.host().ip("link", "set", end.device(), state);
      }
    }
  }

  /** Drops all packets silently: both hosts send to an unused link-layer address. */
  public void dropPackets() {
    dropPacketsFrom(a.host());
    dropPacketsFrom(b.host());
  }

  /** As {@link #dropPackets}, for packets of this host only. */
  public void dropPacketsFrom(Host host) {
    changeNeighbour(host, "replace", "lladdr", UNUSED_ADDRESS, "nud", "permanent");
  }

  public void restore() {
    changeNeighbour(a.host(), "del");
    changeNeighbour(b.host(), "del");
  }

  private void changeNeighbour(Host host, String change, String... to) {
    End end = end(host);
    End other = end == a ? b : a;
    List<String> command =
        new ArrayList<>(List.of("neigh", change, other.address(), "dev", end.device()));
    command.addAll(List.of(to));
    host.ip(command.toArray(new String[0]));
  }

  @Override
  public void close() {
    a.host().ip("link", "del", a.device());
  }
}
