package io.c2crelay.relay.address;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Arrays;

/**
 * The unit by which limits count clients: an IPv4 address, or the /64 network of an IPv6 address,
 * which belongs to one subscriber. Compared by value.
 */
public final class ClientNetwork {
  private static final int IPV6_NETWORK_LENGTH = 8;

  private final byte[] network;

  private ClientNetwork(byte[] network) {
    this.network = network;
  }

  /** The network of a connection's remote address, which is resolved. */
  public static ClientNetwork of(InetSocketAddress remote) {
    InetAddress address = remote.getAddress();
    byte[] bytes = address.getAddress();
    return new ClientNetwork(
        address instanceof Inet6Address ? Arrays.copyOf(bytes, IPV6_NETWORK_LENGTH) : bytes);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ClientNetwork
        && Arrays.equals(((ClientNetwork) other).network, network);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(network);
  }
}
