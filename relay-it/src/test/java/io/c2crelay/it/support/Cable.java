package io.c2crelay.it.support;

import io.c2crelay.it.support.Namespaces.Host;
import java.util.ArrayList;
import java.util.List;

/** A fast link between two hosts, that can be cut in two ways. Neither sends a FIN or a reset. */
public final class Cable implements AutoCloseable {

  /** A card's address that nobody has. */
  private static final String NOBODY = "02:00:00:00:00:00";

  private record End(Host host, String card, String address) {

    private List<String> named() {
      return host.name().isEmpty()
          ? List.of("name", card)
          : List.of("name", card, "netns", host.name());
    }

    private void setUp() {
      host.ip("addr", "add", address + "/30", "dev", card);
      host.ip("link", "set", card, "up");
    }
  }

  private final End a;
  private final End b;

  private Cable(End a, End b) {
    this.a = a;
    this.b = b;
  }

  static Cable between(Host a, String addressA, Host b, String addressB, String name) {
    End first = new End(a, name + "a", addressA);
    End second = new End(b, name + "b", addressB);
    List<String> command = new ArrayList<>(List.of("ip", "link", "add"));
    command.addAll(first.named());
    command.addAll(List.of("type", "veth", "peer"));
    command.addAll(second.named());
    Namespaces.run(command.toArray(new String[0]));
    first.setUp();
    second.setUp();
    return new Cable(first, second);
  }

  /** Where the host at the other end finds this one. */
  public String address(Host host) {
    return end(host).address();
  }

  private End end(Host host) {
    return a.host().equals(host) ? a : b;
  }

  /**
   * The cable is pulled out: there is no network any more. This JVM's end, if it has one, only sees
   * that; taken down itself, it would leave the packets to the default route.
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
        end.host().ip("link", "set", end.card(), state);
      }
    }
  }

  /** All is lost on the way, and neither end is told: what is sent goes to a card of nobody. */
  public void swallow() {
    swallowFrom(a.host());
    swallowFrom(b.host());
  }

  /** The same for what this host sends only. */
  public void swallowFrom(Host host) {
    neighbour(host, "replace", "lladdr", NOBODY, "nud", "permanent");
  }

  public void pass() {
    neighbour(a.host(), "del");
    neighbour(b.host(), "del");
  }

  private void neighbour(Host host, String change, String... to) {
    End end = end(host);
    End other = end == a ? b : a;
    List<String> command =
        new ArrayList<>(List.of("neigh", change, other.address(), "dev", end.card()));
    command.addAll(List.of(to));
    host.ip(command.toArray(new String[0]));
  }

  @Override
  public void close() {
    a.host().ip("link", "del", a.card());
  }
}
